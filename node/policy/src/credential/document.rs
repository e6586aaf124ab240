//! The discovery document: the public keys of all nodes, and the agents they vouch for.
//!
//! An outsider needs nothing else to verify a credential: its `kid` names the key, and its signature is DER under it.

use super::claims::{Subject, VERSION};
use super::key::key_id;
use agentpin::discovery::build_discovery_document;
use agentpin::jwk::Jwk;
use agentpin::types::discovery::{AgentDeclaration, AgentStatus, DiscoveryDocument, EntityType};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::{Duration, UNIX_EPOCH};
use symbi_model::State;
use symbi_model::agent::{Agent, Hold};
use symbi_model::node::{Membership, Node};

/// The body of `/.well-known/agent-identity.json`. Null before there is a cluster.
///
/// An agent is `active` while its placement is held, a gateway while its node is no tombstone.
///
/// # Panics
/// Never: the document is made of strings and numbers.
#[must_use]
pub fn discovery_document(state: &State) -> serde_json::Value {
    let Some(cluster) = &state.cluster else { return serde_json::Value::Null };
    let domain = &cluster.domain;
    let nodes = || state.nodes.values().filter(|node| is_listed(node));
    let keys = nodes().map(|node| jwk(&node.profile.credential_key)).collect();
    let gateways = nodes().map(|node| declaration(&Subject::Gateway(node.name.clone()), domain, AgentStatus::Active));
    let agents = state.agents.iter().map(|(name, agent)| {
        let subject = Subject::Agent(name.clone());
        declaration(&subject, domain, status(agent))
    });
    let document = document(domain, keys, gateways.chain(agents).collect(), &rfc3339(state.counters.log_time_ms));
    serde_json::to_value(document).expect("strings and numbers have a JSON form")
}

/// The document's part that one credential is verified against: its bearer, declared active, and the key of the node it
/// came from. Whether the bearer may act is the epoch's question, which the verifier asks of the state itself.
pub fn slice(domain: &str, subject: &Subject, public: &[u8]) -> DiscoveryDocument {
    let agents = vec![declaration(subject, domain, AgentStatus::Active)];
    document(domain, vec![jwk(public)], agents, &rfc3339(0))
}

/// Whether a node's key still vouches for anybody.
pub fn is_listed(node: &Node) -> bool {
    node.membership != Membership::Removed
}

fn document(domain: &str, keys: Vec<Jwk>, agents: Vec<AgentDeclaration>, updated_at: &str) -> DiscoveryDocument {
    let mut document = build_discovery_document(domain, EntityType::Deployer, keys, agents, 0, updated_at);
    // Nothing is served there: what is revoked is no longer listed here.
    document.revocation_endpoint = None;
    debug_assert_eq!(document.agentpin_version, VERSION);
    document
}

fn status(agent: &Agent) -> AgentStatus {
    match agent.placement {
        Some(placement) if placement.hold == Hold::Held => AgentStatus::Active,
        _ => AgentStatus::Suspended,
    }
}

fn declaration(subject: &Subject, domain: &str, status: AgentStatus) -> AgentDeclaration {
    AgentDeclaration {
        agent_id: subject.urn(domain),
        agent_type: None,
        name: subject.to_string(),
        description: None,
        version: None,
        capabilities: Vec::new(),
        constraints: None,
        maker_attestation: None,
        credential_ttl_max: Some(super::MAX_LIFETIME_S),
        status,
        directory_listing: None,
    }
}

/// A public key, given as an uncompressed SEC1 point. One that is none makes a key that verifies nothing.
fn jwk(public: &[u8]) -> Jwk {
    let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(public.get(from..from + 32).unwrap_or_default());
    Jwk {
        kid: key_id(public),
        kty: "EC".to_owned(),
        crv: "P-256".to_owned(),
        x: coordinate(1),
        y: coordinate(33),
        use_: "sig".to_owned(),
        key_ops: Some(vec!["verify".to_owned()]),
        exp: None,
    }
}

/// A time in UTC, to the second (RFC 3339).
fn rfc3339(ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}
