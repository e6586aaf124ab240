//! Does what an administrator wants done in the middle of a run, through this node: proposes a command under a permit, again
//! when the policies have moved meanwhile, and under the same key while its fate is unknown.

use crate::clients::admin;
use crate::setup::{Action, AdminCommand, Setup};
use crate::trace::Event;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::entry::CONTROL;
use symbi_model::ids::RequestId;
use symbi_model::{Command, Outcome, Proposal, Refusal};
use symbi_policy::Administer;
use symbi_proto::wire::{Blob, ControlRequest, Signed};
use symbi_server::node::Node;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);
/// How long an attempt may take, ms.
const DEADLINE_MS: u64 = 4_000;
/// How often it is tried.
const ATTEMPTS: u32 = 50;
/// How often signatures are forged.
const FORGERIES: u32 = 40;

/// Carries out commands as long as the node lives.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>) {
    let mut commands = setup.shared.command.subscribe();
    commands.mark_unchanged();
    while commands.changed().await.is_ok() {
        let command = commands.borrow_and_update().clone();
        let Some(AdminCommand { action, .. }) = command.filter(|command| command.host == setup.number) else {
            continue;
        };
        let done = match action {
            Action::Commit(command) => carry_out(&node, &setup, &command).await,
            Action::Transfer(to) => {
                node.raft.transfer_leader(to).await;
                Ok(Outcome::Done)
            }
            Action::Forge => {
                tokio::spawn(forge(node.clone()));
                Ok(Outcome::Done)
            }
        };
        setup.view(|view| view.command = Some(done));
    }
}

/// Sends to all neighbours, for a while, that this node has signed the newest checkpoint, with a signature that is none.
async fn forge(node: Arc<Node>) {
    for _ in 0..FORGERIES {
        let newest = node.raft.state().borrow().checkpoint.clone();
        let neighbours: Vec<_> = node.net.connections().borrow().keys().copied().collect();
        let claim = newest.map(|newest| newest.claim());
        for (neighbour, claim) in neighbours.into_iter().filter_map(|neighbour| Some((neighbour, claim?))) {
            let forged = ControlRequest::Witness(vec![Signed { claim, signature: Blob(vec![7; 64]) }]);
            let lane = (symbi_net::Lane::Control, CONTROL);
            // Whoever does not take it was not fooled.
            let _ = node.net.call(neighbour, lane, forged.encode().into(), AGAIN).await;
        }
        sleep(AGAIN).await;
    }
}

async fn carry_out(node: &Node, setup: &Setup, command: &Command) -> Result<Outcome, String> {
    let request = RequestId { client: admin::client(node), sequence: 1 };
    let mut said = "nothing".to_owned();
    for _ in 0..ATTEMPTS {
        match attempt(node, command, request).await {
            // Nothing is remembered of it under its key.
            Ok(Outcome::Refused(Refusal::PolicyMoved { current })) => said = format!("the policies moved to {current}"),
            Ok(outcome) => return Ok(outcome),
            Err(why) => said = why,
        }
        setup.recorder.tell(&setup.name, Event::Unknown { write: request.to_string(), why: said.clone() });
        sleep(AGAIN).await;
    }
    Err(format!("not done in {ATTEMPTS} attempts: {said}"))
}

/// Proposes a command once, under a permit of this moment.
///
/// # Errors
/// Why nobody knows whether it was done.
pub(super) async fn attempt(node: &Node, command: &Command, request: RequestId) -> Result<Outcome, String> {
    let state = node.raft.state().borrow().clone();
    let judged =
        Administer { principal: admin::principal(), what: command.kind().known().expect("this program proposes it") };
    let permit = node.gate.judge(&state, judged).map_err(|denied| denied.to_string())?;
    let (reply, answer) = oneshot::channel();
    let proposal = Proposal {
        command: command.clone(),
        request: Some(request),
        permit: Some(permit.reference()),
        decided_term: None,
        deadline_ms: DEADLINE_MS,
        reply,
    };
    node.proposals.send(proposal).await.map_err(|_| "the node takes no proposals".to_owned())?;
    let answered = answer.await.map_err(|_| "the node gave no answer".to_owned())?;
    answered.map(|committed| committed.outcome).map_err(|error| error.to_string())
}
