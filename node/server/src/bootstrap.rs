//! What a new cluster begins with: its id, its first node, its first API token, its first policies.

use crate::options::Options;
use symbi_model::command::Genesis;
use symbi_model::node::Profile;
use symbi_model::secret::Secret;
use symbi_model::{ClusterId, Hash, NodeId, gate};

/// A genesis for the given node, and the text of the first API token.
#[must_use]
pub fn genesis(options: &Options, node: NodeId, profile: Profile) -> (Genesis, String) {
    let admin = format!("symbi-admin-{}", hex::encode(rand::random::<[u8; 32]>()));
    let name = options.cluster_name.clone();
    let genesis = Genesis {
        // Random and not by time: tokens and data directories are told apart by its first digits.
        cluster: ClusterId(uuid::Builder::from_random_bytes(rand::random()).into_uuid()),
        domain: options.domain.clone().unwrap_or_else(|| format!("{name}.symbi.internal")),
        name,
        node,
        node_name: options.name.clone(),
        profile,
        gate: gate::spoken(),
        admin_token: Hash::of(&[admin.as_bytes()]),
        policies: symbi_policy::STARTER.to_owned(),
        secret: Secret(rand::random()),
    };
    (genesis, admin)
}
