//! A running node's place in its cluster: the last phase of its join, and the ends of a membership that the log does not bring.

use crate::failure::Failure;
use crate::join::{Ended, Progress, exchange, refusal};
use crate::node::Node;
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::node::Membership;
use symbi_proto::wire::{JoinReply, JoinRequest};
use tokio::time::{Instant, timeout_at};

/// How often a node that catches up asks whether its join was cleared; most have caught up before.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Phase 8: waits until the running node is a member, and says whether it votes.
///
/// # Errors
/// `JOIN_CATCH_UP` at the deadline.
pub async fn catch_up(node: &Node, until: Instant, progress: &Progress) -> Result<(), Failure> {
    let mut state = node.raft.state();
    let id = node.id;
    let member =
        |state: &symbi_model::State| state.nodes.get(&id).is_some_and(|record| record.membership == Membership::Member);
    if timeout_at(until, state.wait_for(member)).await.is_err() {
        let applied = state.borrow().counters.applied_index;
        return Err(Failure::new(28, "JOIN_CATCH_UP", "this node did not catch up with the log in time")
            .why(format!("it has applied index {applied}; the leader does not count it as a member yet"))
            .fix("run the same command again: it continues where it stopped (--join-timeout gives it longer)")
            .undo("what it has caught up on is kept; the leader drops a join that is not finished within 120 s"));
    }
    let voter = node.raft.status().borrow().voters.iter().flatten().any(|voter| *voter == id);
    let role = if voter { "a voter" } else { "a learner; the leader promotes it when a voter is needed" };
    progress.done(8, &format!("caught up, ready as {role}"));
    Ok(())
}

/// Ends when one of `members` says that this node's join was cleared. Such a node would wait for the log for ever: nobody
/// sends it any more. It needs no token, and a clearing is final, so that a member that is behind cannot mislead it.
pub async fn cleared(node: &Node, members: &BTreeMap<NodeId, symbi_net::Member>) -> Ended {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        for member in members.values() {
            let until = Instant::now() + ASK_EVERY;
            let answer = exchange(&node.net, member.addr, &JoinRequest::Progress, until).await;
            let Ok((from, JoinReply::Progress(told))) = answer else { continue };
            if members.contains_key(&from) && told.membership == Some(Membership::Removed) {
                return refusal::expired(format!("node {} says so", from.short()));
            }
        }
    }
}

/// Ends when another node says that this one was removed: nobody sends it the entry by which it was. Asks only while this
/// node is not ready, for as long as it runs; a removal is final, so that a node that is behind cannot mislead it.
pub async fn removed(node: &Node) -> Failure {
    let mut view = node.api.view.clone();
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        if view.wait_for(|view| view.not_ready.is_some()).await.is_err() {
            // The node is stopping, for a reason of its own.
            std::future::pending::<()>().await;
        }
        let state = node.raft.state().borrow().clone();
        if state.nodes.get(&node.id).is_none_or(|record| record.membership != Membership::Member) {
            // A join has an end of its own.
            continue;
        }
        let others = state.nodes.iter().filter(|(id, other)| **id != node.id && other.membership == Membership::Member);
        for (id, other) in others {
            let until = Instant::now() + ASK_EVERY;
            let answer = exchange(&node.net, other.profile.addr, &JoinRequest::Progress, until).await;
            let Ok((from, JoinReply::Progress(told))) = answer else { continue };
            if from == *id && told.membership == Some(Membership::Removed) {
                return removal(Some(&other.name));
            }
        }
    }
}

/// What a removed node says at its end.
#[must_use]
pub fn removal(said_by: Option<&str>) -> Failure {
    let by = said_by.map(|name| format!("node {name} says so; ")).unwrap_or_default();
    Failure::new(7, "NODE_REMOVED", "this node was removed from its cluster")
        .why(format!("{by}the key of a removed node is never accepted again"))
        .fix("join as a new node: another --data-dir, and --join with a token")
}
