//! A node's introduction: what the cluster's record says of it, once it says something else of itself; and its leave.

use std::time::Duration;
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::{Command, Committed, NodeId, Outcome, Proposal};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How long a node waits before it introduces itself again.
const INTRODUCE_AGAIN: Duration = Duration::from_secs(1);

/// How long a node that stops waits for the cluster to hear of it.
const SAY_WITHIN: Duration = Duration::from_secs(3);

/// Says what this node is whenever the record says something else, until it leaves: its address or what it offers has changed, or it is
/// said to be leaving, because that came late.
pub(super) async fn introduce(
    node: NodeId,
    profile: Profile,
    mut state: watch::Receiver<symbi_model::State>,
    proposals: symbi_control::Proposals,
    cancel: CancellationToken,
) {
    let is_other = |record: &Node| {
        record.membership != Membership::Removed && (record.profile != profile || record.liveness == Liveness::Leaving)
    };
    loop {
        let other = state.wait_for(|state| state.nodes.get(&node).is_some_and(is_other));
        match cancel.run_until_cancelled(other).await {
            Some(Ok(_)) => {}
            None | Some(Err(_)) => return,
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Introduce { node, profile: profile.clone() };
        let proposal =
            Proposal { command, request: None, permit: None, decided_term: None, deadline_ms: 10_000, reply };
        if proposals.send(proposal).await.is_err() {
            return;
        }
        let Some(answer) = cancel.run_until_cancelled(answer).await else { return };
        tracing::info!(?answer, "this node has introduced itself");
        // By then it is applied here, too.
        tokio::time::sleep(INTRODUCE_AGAIN).await;
    }
}

/// Says again that this node is about to stop, whenever it counts as up: it was condemned meanwhile, and heard once more.
pub(super) async fn leave_again(
    node: NodeId,
    mut state: watch::Receiver<symbi_model::State>,
    proposals: &symbi_control::Proposals,
) {
    let is_up =
        |state: &symbi_model::State| state.nodes.get(&node).is_some_and(|record| record.liveness == Liveness::Up);
    while state.wait_for(is_up).await.is_ok() {
        leave(node, proposals).await;
        tokio::time::sleep(INTRODUCE_AGAIN).await;
    }
}

/// Says that this node is about to stop; false if the cluster did not hear it in time.
pub(super) async fn leave(node: NodeId, proposals: &symbi_control::Proposals) -> bool {
    let (reply, answer) = oneshot::channel();
    let command = Command::Leave { node };
    let deadline_ms = u64::try_from(SAY_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let proposal = Proposal { command, request: None, permit: None, decided_term: None, deadline_ms, reply };
    let said = async { proposals.send(proposal).await.ok().map(|()| answer)?.await.ok() };
    let answer = tokio::time::timeout(SAY_WITHIN, said).await;
    tracing::info!(?answer, "this node has said that it is about to stop");
    matches!(answer, Ok(Some(Ok(Committed { outcome: Outcome::Done, .. }))))
}
