//! A node's record, kept for ever: a removed node's key still verifies what it signed.

use crate::agent::Resources;
use crate::ids::TokenId;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The longest node name, in bytes.
pub const NAME_BYTES: usize = 63;
/// The length of a P-256 public key as an uncompressed SEC1 point.
pub const CREDENTIAL_KEY_BYTES: usize = 65;

/// Whether `name` can be a node's: a DNS label (RFC 1123).
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// How far a node's membership has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Membership {
    /// Enrolled, not yet caught up.
    Joining,
    /// A member.
    Member,
    /// Removed: a tombstone. Its id is never used again.
    Removed,
}

/// Whether the leader hears a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Liveness {
    /// It asks for grants.
    Up,
    /// It was condemned: it is granted nothing and nothing is placed on it until `NodeUp`.
    Down,
}

/// What a node says of itself when it enrols, and again at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Where other nodes reach it.
    pub addr: SocketAddr,
    /// Its P-256 public key, with which it issues credentials: 65 bytes, uncompressed SEC1 point.
    pub credential_key: Vec<u8>,
    /// What it offers to agents.
    pub allocatable: Resources,
}

/// A node's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its label, unique among nodes that are not removed.
    pub name: String,
    /// What it said of itself.
    pub profile: Profile,
    /// How far its membership has come.
    pub membership: Membership,
    /// Whether the leader hears it.
    pub liveness: Liveness,
    /// The token that let it in; none for the node that bootstrapped.
    pub token: Option<TokenId>,
    /// The log index that enrolled it.
    pub enrolled_at: u64,
    /// The log time of its enrolment, ms since the Unix epoch.
    pub enrolled_ms: u64,
}
