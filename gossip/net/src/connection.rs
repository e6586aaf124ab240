//! A connection in use, as others than the network see it.

use tokio::time::Instant;

/// A connection over which lanes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Since when.
    pub since: Instant,
    /// Whether the peer has our Raft lanes only, because a member vouched for it.
    pub raft_only: bool,
}
