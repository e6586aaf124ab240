//! A node's stop, in order: its agents first, then its lead, then whatever serves them.

use super::{Node, introduce};
use crate::proposer;
use std::time::Duration;
use symbi_model::node::{self, Liveness, Membership};
use symbi_model::{NodeId, State};

/// How long agents have to end and to be known to have ended, from when the node has said that it leaves: as long as they have to end
/// by themselves, and some.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);
/// How long it waits for another to lead.
const LEAD_WITHIN: Duration = Duration::from_secs(2);
/// How long tasks have to end.
const TASKS_WITHIN: Duration = Duration::from_secs(5);

impl Node {
    /// Has the agents of this node run elsewhere, because it is about to stop: it says so, ends them, and tells of each when it has
    /// ended for good. Without another node to take them, or a leader to hear of it, they stay as they are: this node goes on
    /// with them if it is back in time. What does not end in time the leader condemns with the node, once that is silent.
    pub async fn leave(&self) {
        self.introduced.cancel();
        let has_other = has_other(&self.raft.state().borrow(), &self.id);
        if !has_other || !introduce::leave(self.id, &self.proposals).await {
            return;
        }
        let left = tokio::select! {
            biased;
            left = self.host.leave(LEAVE_WITHIN) => left,
            () = introduce::leave_again(self.id, self.raft.state(), &self.proposals) => return,
        };
        if left > 0 {
            tracing::warn!(left, "agents are not known to have ended: they run elsewhere once this node is condemned");
        }
    }

    /// Stops in order.
    pub async fn shutdown(self) {
        self.stopping.cancel();
        self.introduced.cancel();
        drop(self.engine);
        // Agents first, while their last reports can still be committed.
        self.host.shutdown().await;
        // Then the lead, while this node still answers: the others need not wait for an election.
        let status = self.raft.status().borrow().clone();
        let connections = self.net.connections();
        let other = proposer::successor(&status, self.id, |voter| connections.borrow().contains_key(voter));
        if let (true, Some(other)) = (status.leads(), other) {
            self.raft.transfer_leader(other).await;
            let mut follows = self.raft.status();
            let moved = follows.wait_for(|status| !status.leads());
            let _ = tokio::time::timeout(LEAD_WITHIN, moved).await;
        }
        self.cancel.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout(TASKS_WITHIN, self.tracker.wait()).await;
        // The group after everything that proposes, and the network last: the group's last answers travel on it.
        self.raft.shutdown().await;
        self.net.shutdown().await;
    }
}

/// Whether this node is a member, and another could take its agents.
fn has_other(state: &State, own: &NodeId) -> bool {
    let is_member = |record: &node::Node| record.membership == Membership::Member;
    let takes = |record: &node::Node| is_member(record) && record.liveness == Liveness::Up;
    state.nodes.get(own).is_some_and(is_member) && state.nodes.iter().any(|(id, record)| id != own && takes(record))
}
