//! A running node's place in its cluster: the last phase of its join, and the ends of a membership that the log does not bring.

use crate::failure::Failure;
use crate::join::{Ended, Progress, exchange, refusal};
use crate::node::Node;
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::node::Membership;
use symbi_proto::wire::{JoinReply, JoinRequest};
use symbi_raft::Status;
use tokio::time::{Instant, interval_at, timeout_at};

/// How often a node that catches up asks whether its join was cleared; most have caught up before.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How often a node that catches up says how far it is. One that is done before says nothing.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Phase 8: waits until the running node is a member, saying how far it is, and whether it votes in the end.
///
/// # Errors
/// `JOIN_CATCH_UP` at the deadline.
pub async fn catch_up(node: &Node, until: Instant, progress: &Progress) -> Result<(), Failure> {
    let mut state = node.raft.state();
    let id = node.id;
    let member =
        |state: &symbi_model::State| state.nodes.get(&id).is_some_and(|record| record.membership == Membership::Member);
    let told = async {
        let (mut ticks, mut last) = (interval_at(Instant::now() + TELL_EVERY, TELL_EVERY), String::new());
        loop {
            ticks.tick().await;
            let here = here(&node.raft.status().borrow());
            if here != last {
                progress.under_way(8, &here);
                last = here;
            }
        }
    };
    let caught_up = async {
        tokio::select! {
            biased;
            // The node itself ends with its reasons, should it.
            reached = state.wait_for(member) => drop(reached),
            () = told => {}
        }
    };
    if timeout_at(until, caught_up).await.is_err() {
        let applied = state.borrow().counters.applied_index;
        return Err(Failure::new(28, "JOIN_CATCH_UP", "this node did not catch up with the log in time")
            .why(format!("it has applied index {applied}; the leader does not count it as a member yet"))
            .fix("run the same command again: it continues where it stopped (--join-timeout gives it longer)")
            .undo("what it has caught up on is kept; the leader drops a join that gets no further for 120 s"));
    }
    let voter = node.raft.status().borrow().voters.iter().flatten().any(|voter| *voter == id);
    let role = if voter { "a voter" } else { "a learner; the leader promotes it when a voter is needed" };
    progress.done(8, &format!("caught up, ready as {role}"));
    Ok(())
}

/// How far a node that catches up is, as far as it knows.
fn here(status: &Status) -> String {
    match status.filled {
        Some((rows, bytes)) => format!("receiving the state: {rows} rows, {:.1} MB so far", bytes as f64 / 1e6),
        None if status.committed == 0 => "waiting for the leader's log".to_owned(),
        None => format!("{} log entries behind", status.committed.saturating_sub(status.applied)),
    }
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

#[cfg(test)]
mod tests {
    use super::here;
    use symbi_raft::Status;

    #[test]
    fn a_node_that_catches_up_says_how_far_it_is() {
        let status = Status { committed: 90, applied: 50, ..Status::default() };
        assert_eq!(here(&Status::default()), "waiting for the leader's log");
        assert_eq!(here(&status), "40 log entries behind");
        let filled = Some((1_000, 2_540_000));
        assert_eq!(here(&Status { filled, ..status }), "receiving the state: 1000 rows, 2.5 MB so far");
    }
}
