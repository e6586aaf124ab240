//! Credentials: with which a session's two ends show who they are, issued for it alone and verified against the state.

use crate::host::Host;
use crate::instance::Instance;
use ed25519_dalek::SigningKey;
use std::time::Duration;
use symbi_model::{Epoch, Incarnation, NodeId, State};
use symbi_policy::credential::{Claims, CredentialError, Expected, Subject, Verified, gateway_epoch};
use tokio::time::{Instant, timeout_at};

/// How long a node waits to apply the index that a credential speaks of.
pub(super) const BEHIND: Duration = Duration::from_secs(2);

/// One for whom this node vouches.
pub(crate) struct Identity<'a> {
    /// Who it is.
    pub(super) subject: Subject,
    /// The key that its credential names.
    pub(super) cnf: &'a SigningKey,
    /// Its epoch.
    pub(super) epoch: Epoch,
    /// Which start of it.
    pub(super) incarnation: Incarnation,
    /// The log index that placed it here.
    index: u64,
}

impl<'a> Identity<'a> {
    /// An agent that runs here.
    pub(super) fn agent(instance: &'a Instance) -> Self {
        let assignment = &instance.assignment;
        Self {
            subject: Subject::Agent(assignment.name().clone()),
            cnf: &instance.cnf,
            epoch: assignment.epoch,
            incarnation: instance.incarnation,
            index: assignment.index,
        }
    }

    /// This node's gateway; none before the node is a member.
    pub(super) fn gateway(host: &'a Host, state: &State) -> Option<Self> {
        let node = state.nodes.get(&host.options.node)?;
        Some(Self {
            subject: Subject::Gateway(node.name.clone()),
            cnf: &host.gateway.cnf,
            epoch: gateway_epoch(state)?,
            incarnation: host.gateway.incarnation,
            index: node.enrolled_at,
        })
    }

    /// A credential for `audience`, good for one session.
    pub(super) fn credential(&self, host: &Host, state: &State, audience: Subject) -> String {
        host.options.issuer.issue(&Claims {
            domain: domain(state).to_owned(),
            subject: self.subject.clone(),
            audience,
            now_ms: (host.ports.wall_ms)(),
            cnf: self.cnf.verifying_key().to_bytes(),
            epoch: self.epoch,
            incarnation: self.incarnation,
            index: self.index,
        })
    }
}

/// Verifies a credential that `peer` presented to `audience`. If it speaks of an index that is not applied here, waits for
/// that: two seconds, and not past the deadline.
pub(super) async fn verify(
    host: &Host,
    credential: &str,
    audience: &Subject,
    peer: NodeId,
    deadline: Instant,
) -> Result<Verified, String> {
    let mut states = host.ports.state.clone();
    let until = deadline.min(Instant::now() + BEHIND);
    loop {
        let state = states.borrow_and_update().clone();
        let audience = audience.urn(domain(&state));
        let expected = Expected { audience: &audience, peer, now_ms: (host.ports.wall_ms)() };
        let index = match host.verifier.verify(&state, credential, expected) {
            Ok(verified) => return Ok(verified),
            Err(CredentialError::Behind { index }) => index,
            Err(error) => return Err(error.to_string()),
        };
        let applied = states.wait_for(|state| state.counters.applied_index >= index);
        if !matches!(timeout_at(until, applied).await, Ok(Ok(_))) {
            return Err(format!("receiver_behind: index {index} is not applied there yet"));
        }
    }
}

fn domain(state: &State) -> &str {
    state.cluster.as_ref().map_or("", |cluster| &cluster.domain)
}
