//! Whom a leader that must go hands its leadership to.

use std::collections::BTreeSet;
use symbi_model::NodeId;
use symbi_raft::Status;

/// The other voter that this node has a connection with and that has most of the log; none when no voter is connected.
#[must_use]
pub fn successor(status: &Status, node: NodeId, connected: impl Fn(&NodeId) -> bool) -> Option<NodeId> {
    let others: BTreeSet<NodeId> = status.voters.iter().flatten().copied().filter(|voter| *voter != node).collect();
    let replicated = |voter: &NodeId| status.replication.get(voter).copied().unwrap_or(0);
    others.into_iter().filter(connected).max_by_key(replicated)
}
