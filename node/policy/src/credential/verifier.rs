//! Verifies credentials against the replicated state, and remembers which ones were used.

use super::claims::{Header, Payload, Subject, decode, gateway_epoch};
use super::document::{is_listed, slice};
use super::key::key_id;
use super::replay::Used;
use super::{CredentialError, MAX_LIFETIME_S};
use agentpin::error::ErrorCode;
use agentpin::pinning::KeyPinStore;
use agentpin::verification::{VerifierConfig, verify_credential_offline};
use std::sync::{Mutex, PoisonError};
use symbi_model::agent::{AgentName, Hold};
use symbi_model::node::Node;
use symbi_model::{Epoch, Incarnation, NodeId, State};
use uuid::Uuid;

/// How far an issuer's clock may be ahead of ours, in seconds.
const SKEW_S: u64 = 5;

/// The verifier of one node: its memory of used ids is what it is for.
#[derive(Debug, Default)]
pub struct Verifier {
    /// The ids that were used.
    used: Mutex<Used>,
}

/// What a credential must fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The receiver's URN: ours.
    pub audience: &'a str,
    /// The node that presented it.
    pub peer: NodeId,
    /// Now, ms since the Unix epoch.
    pub now_ms: u64,
}

/// What a good credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The bearer.
    pub subject: Subject,
    /// The placement's epoch; a gateway's is the cluster's generation.
    pub epoch: Epoch,
    /// The public Ed25519 key of the bearer's incarnation.
    pub cnf: [u8; 32],
    /// The bearer's incarnation.
    pub incarnation: Incarnation,
    /// The log index that the credential speaks of.
    pub index: u64,
}

/// A credential that is good, and not used up yet.
#[derive(Debug)]
#[must_use = "until it is used up it may be presented again"]
pub struct Presented {
    /// What it says.
    verified: Verified,
    /// Who presented it.
    peer: NodeId,
    /// Its id.
    jti: Uuid,
    /// When it ends, s since the Unix epoch.
    exp: u64,
    /// When it was presented, s since the Unix epoch.
    now_s: u64,
}

impl Presented {
    /// What it says.
    #[must_use]
    pub fn says(&self) -> &Verified {
        &self.verified
    }
}

impl Verifier {
    /// A verifier that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Verifies a credential that `expected.peer` presented, and uses it up.
    ///
    /// # Errors
    /// The first thing that is wrong. After [`CredentialError::Behind`] the same credential may be presented again, once
    /// that index is applied; whatever is refused was not used up.
    pub fn verify(&self, state: &State, token: &str, expected: Expected<'_>) -> Result<Verified, CredentialError> {
        self.use_up(self.check(state, token, expected)?)
    }

    /// Verifies a credential that `expected.peer` presented, for something that may still come to nothing.
    ///
    /// # Errors
    /// As for [`Self::verify`], but for a credential that was used up.
    pub fn check(&self, state: &State, token: &str, expected: Expected<'_>) -> Result<Presented, CredentialError> {
        let (header, payload) = decode(token)?;
        payload.check_audience(expected.audience)?;
        payload.check_time(expected.now_ms, SKEW_S)?;
        let domain = state.cluster.as_ref().map_or("", |cluster| &cluster.domain);
        let subject = payload.subject(domain)?;
        let node = issuer(state, &header, &payload, expected.peer)?;
        check_signature(token, domain, &subject, &node.profile.credential_key)?;
        check_placement(state, &subject, &payload, expected.peer, node)?;
        let cnf = payload.confirmed_key()?;
        let verified = Verified {
            subject,
            epoch: Epoch(payload.symbi_epoch),
            cnf,
            incarnation: Incarnation(payload.symbi_incarnation),
            index: payload.symbi_index,
        };
        let (peer, jti, exp) = (expected.peer, payload.jti, payload.exp);
        Ok(Presented { verified, peer, jti, exp, now_s: expected.now_ms / 1_000 })
    }

    /// Uses a credential up.
    ///
    /// # Errors
    /// That it was used up before, or that too many of its node's are remembered.
    pub fn use_up(&self, presented: Presented) -> Result<Verified, CredentialError> {
        let Presented { verified, peer, jti, exp, now_s } = presented;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(peer, jti, exp, now_s)?;
        Ok(verified)
    }
}

/// The node that presented it, whose key must be the one it names.
fn issuer<'a>(state: &'a State, header: &Header, payload: &Payload, peer: NodeId) -> Result<&'a Node, CredentialError> {
    let node = state.nodes.get(&peer).filter(|node| is_listed(node));
    let fits = |node: &&Node| key_id(&node.profile.credential_key) == header.kid;
    match node.filter(fits) {
        Some(node) => Ok(node),
        // Its node may have enrolled, or changed its key, by an entry that is still on its way to us.
        None if payload.symbi_index > state.counters.applied_index => {
            Err(CredentialError::Behind { index: payload.symbi_index })
        }
        None if node.is_none() => Err(CredentialError::UnknownNode(peer)),
        None => Err(CredentialError::WrongKey { kid: header.kid.clone() }),
    }
}

/// The crate's own verification, offline and with a fresh pin store.
///
/// The crate reads the process's clock, which is not ours: it may be simulated, or injected. Its time checks are opened
/// wide, after ours, which are stricter. Its arithmetic on times is not checked against overflow, so it must not see a
/// credential whose times ours have not accepted.
fn check_signature(token: &str, domain: &str, subject: &Subject, public: &[u8]) -> Result<(), CredentialError> {
    let max_ttl_secs = i64::try_from(MAX_LIFETIME_S).expect("an hour");
    let config = VerifierConfig { clock_skew_secs: i64::MAX / 4, max_ttl_secs, strict_capabilities: false };
    let document = slice(domain, subject, public);
    let audience = None; // Ours is checked before: the crate lets an absent and a general one pass.
    let result = verify_credential_offline(token, &document, None, &mut KeyPinStore::new(), audience, &config);
    match result.error_code {
        None if result.valid => Ok(()),
        Some(ErrorCode::SignatureInvalid) => Err(CredentialError::Signature),
        _ => Err(CredentialError::Refused(result.error_message.unwrap_or_default())),
    }
}

/// The key is the peer's: the state must place the bearer there, under this epoch.
fn check_placement(
    state: &State,
    subject: &Subject,
    payload: &Payload,
    peer: NodeId,
    node: &Node,
) -> Result<(), CredentialError> {
    if payload.symbi_index > state.counters.applied_index {
        return Err(CredentialError::Behind { index: payload.symbi_index });
    }
    let epoch = Epoch(payload.symbi_epoch);
    match subject {
        Subject::Agent(name) => check_agent(state, name, epoch, peer),
        Subject::Gateway(name) if *name == node.name => check_epoch(epoch, gateway_epoch(state).unwrap_or_default()),
        Subject::Gateway(name) => match state.node_by_name(name) {
            Some((placed, _)) => Err(CredentialError::WrongNode { placed }),
            None => Err(CredentialError::NotPlaced(subject.to_string())),
        },
    }
}

fn check_agent(state: &State, name: &AgentName, epoch: Epoch, peer: NodeId) -> Result<(), CredentialError> {
    let placement = state.agents.get(name).and_then(|agent| agent.placement);
    let placement = placement.ok_or_else(|| CredentialError::NotPlaced(name.to_string()))?;
    check_epoch(epoch, placement.epoch)?;
    if placement.node != peer {
        return Err(CredentialError::WrongNode { placed: placement.node });
    }
    if placement.hold != Hold::Held {
        return Err(CredentialError::Fenced { epoch, current: placement.epoch });
    }
    Ok(())
}

fn check_epoch(epoch: Epoch, current: Epoch) -> Result<(), CredentialError> {
    match epoch.cmp(&current) {
        std::cmp::Ordering::Less => Err(CredentialError::Fenced { epoch, current }),
        std::cmp::Ordering::Greater => Err(CredentialError::EpochAhead { epoch, current }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}
