//! Tokens: those that let nodes join, and those that open the HTTP interface.

use crate::hash::Hash;
use crate::ids::NodeId;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// The most uses of one join token.
pub const USES: u32 = 1000;

/// A join token's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// HKDF of the secret: password-equivalent within this cluster.
    pub verifier: [u8; 32],
    /// How many joins it allows in all.
    pub uses: u32,
    /// The joins that hold a use: the node, and whether it has finished.
    pub joins: OrdMap<NodeId, bool>,
    /// Log time after which it is refused, ms since the Unix epoch.
    pub expires_ms: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// For whom `node::admit` is judged: the user who made it.
    pub user: String,
    /// The log index that made it.
    pub created_at: u64,
}

/// An API token's record, keyed by the SHA-256 of the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// SHA-256 of the token's text.
    pub hash: Hash,
    /// The user for whom its bearer acts.
    pub user: String,
}
