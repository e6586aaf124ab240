//! Users: who may ask for something over HTTP. In which groups they are, a policy set says; what they may, its policies.

use serde::{Deserialize, Serialize};

/// The most users.
pub const USERS: usize = 10_000;
/// The user whom a genesis makes, and who asks on a node's own socket. It is never removed.
pub const ADMIN: &str = "admin";
/// What a user must be permitted for a cluster to have somebody who can change what anybody is permitted.
pub const KEEPS: &str = "policy::apply";

/// A user's record, keyed by the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who made it.
    pub created_by: String,
    /// The log index that made it.
    pub created_at: u64,
    /// The log time of that, ms since the Unix epoch.
    pub created_ms: u64,
}

/// The user whom an actor's text names, such as `user:bob`; none for others.
#[must_use]
pub fn of_actor(actor: &str) -> Option<&str> {
    actor.strip_prefix("user:")
}
