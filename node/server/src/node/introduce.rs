//! A node's introduction: what the cluster's record says of it, once it says something else of itself.

use std::time::Duration;
use symbi_model::node::Profile;
use symbi_model::{Command, Committed, NodeId, Outcome, Proposal, Refusal, gate};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How long a node waits before it introduces itself again.
const INTRODUCE_AGAIN: Duration = Duration::from_secs(1);

/// In a build for tests that speaks the next gate: proposes the next gate's command until it is taken, as a program of the next
/// version might. Nothing else proposes it, and in a release there is none.
pub(super) async fn use_next_gate(node: NodeId, proposals: symbi_control::Proposals, cancel: CancellationToken) {
    let Some(command) = Command::of_next_gate(node.0[0]).filter(|command| gate::spoken() >= command.gate()) else {
        return;
    };
    loop {
        let (reply, answer) = oneshot::channel();
        let command = command.clone();
        let proposal = Proposal { command, request: None, permit: None, decided_term: None, deadline_ms: 5_000, reply };
        if proposals.send(proposal).await.is_err() {
            return;
        }
        let answer = answer.await;
        if matches!(answer, Ok(Ok(Committed { outcome: Outcome::Done | Outcome::Refused(Refusal::NameTaken), .. }))) {
            return;
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(INTRODUCE_AGAIN) => {}
        }
    }
}

/// Says what this node is, if the record says something else: its address or what it offers has changed.
pub(super) async fn introduce(
    node: NodeId,
    profile: Profile,
    mut state: watch::Receiver<symbi_model::State>,
    proposals: symbi_control::Proposals,
    cancel: CancellationToken,
) {
    let recorded = |state: &symbi_model::State| state.nodes.get(&node).map(|record| record.profile.clone());
    loop {
        let known = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            known = state.wait_for(|state| state.nodes.contains_key(&node)) => match known {
                Ok(state) => recorded(&state),
                Err(_) => return,
            },
        };
        if known.as_ref() == Some(&profile) {
            return;
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Introduce { node, profile: profile.clone() };
        let proposal =
            Proposal { command, request: None, permit: None, decided_term: None, deadline_ms: 10_000, reply };
        if proposals.send(proposal).await.is_err() {
            return;
        }
        let answer = answer.await;
        tracing::info!(?answer, "this node has introduced itself");
        if matches!(answer, Ok(Ok(Committed { outcome: Outcome::Done, .. }))) {
            return;
        }
        tokio::time::sleep(INTRODUCE_AGAIN).await;
    }
}
