//! What a node does in a build for tests that speaks the next gate, as a careless program of the next version might: whether or not that
//! gate is open, it sends each other member the next gate's request until it is heard, and proposes the next gate's command until that is
//! taken. A release does neither.

use crate::wiring::call;
use std::collections::BTreeSet;
use std::time::Duration;
use symbi_control::Proposals;
use symbi_model::node::Membership;
use symbi_model::{Command, Committed, NodeId, Outcome, Proposal, Refusal, State, gate};
use symbi_proto::wire::{ControlReply, ControlRequest};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// How long it waits before it tries again what has failed.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a member has to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module.
pub(super) async fn run(
    node: NodeId,
    state: watch::Receiver<State>,
    net: symbi_net::Handle,
    proposals: Proposals,
    cancel: CancellationToken,
) {
    let Some(command) = Command::of_next_gate(node.0[0]).filter(|command| gate::spoken() >= command.gate()) else {
        return;
    };
    let used = async { tokio::join!(hail(node, state, &net), propose(&command, &proposals)) };
    let _ = cancel.run_until_cancelled(used).await;
}

/// Sends each other member the request until it has heard it.
async fn hail(node: NodeId, state: watch::Receiver<State>, net: &symbi_net::Handle) {
    let mut heard = BTreeSet::new();
    loop {
        let members = others(&state.borrow(), node);
        for member in members.difference(&heard.clone()) {
            if let Ok(ControlReply::Heard) = call::control(net, *member, &ControlRequest::Hail, PATIENCE).await {
                heard.insert(*member);
            }
        }
        if !heard.is_empty() && heard.is_superset(&members) {
            tracing::info!("each member has heard the next gate's request");
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn others(state: &State, node: NodeId) -> BTreeSet<NodeId> {
    let members = state.nodes.iter().filter(|(_, record)| record.membership == Membership::Member);
    members.map(|(id, _)| *id).filter(|id| *id != node).collect()
}

/// Proposes the command until it is taken, or this node stops.
async fn propose(command: &Command, proposals: &Proposals) {
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
        tokio::time::sleep(AGAIN).await;
    }
}
