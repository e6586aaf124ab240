//! The small files of a data directory.

use rand::rngs::StdRng;
use std::collections::BTreeMap;
use symbi_model::NodeId;
use symbi_net::Member;
use symbi_policy::credential::IssuerKey;

/// The small files of a data directory.
#[derive(Clone)]
pub struct Files {
    /// `node.key`.
    pub seed: [u8; 32],
    /// `issuer.key`.
    pub issuer: [u8; 32],
    /// `boot`.
    pub boot: u64,
    /// `join.pending`.
    pub pending: bool,
    /// `cluster.json`.
    pub cluster: Option<Cluster>,
}

/// What `cluster.json` holds.
#[derive(Clone, Default)]
pub struct Cluster {
    /// The genesis entry, on the host that bootstrapped.
    pub genesis: Option<bytes::Bytes>,
    /// Who was a member when it joined.
    pub roster: BTreeMap<NodeId, Member>,
    /// The index of its enrolment.
    pub enrolled_at: u64,
}

impl Files {
    /// Those of a fresh directory.
    #[must_use]
    pub fn fresh(random: &mut StdRng) -> Self {
        use rand::Rng;
        let issuer = IssuerKey::generate(random.random()).to_bytes();
        Self { seed: random.random(), issuer, boot: 0, pending: false, cluster: None }
    }

    /// The node's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(ed25519_dalek::SigningKey::from_bytes(&self.seed).verifying_key().to_bytes())
    }
}
