//! Writes notes through its own node, one at a time, each under its own key until its fate is known.

use crate::acknowledged::Write;
use crate::clients::admin;
use crate::setup::Setup;
use crate::trace::Event;
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{Command, Outcome, Proposal, Refusal};
use symbi_policy::Administer;
use symbi_server::node::Node;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long a write may take, ms.
const DEADLINE_MS: u64 = 4_000;

/// Writes until the run is quiet and the last write's fate is known.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>, mut random: StdRng) {
    let agent = setup.acknowledged().agent.clone();
    if node.raft.state().wait_for(|state| state.agents.contains_key(&agent)).await.is_err() {
        return;
    }
    loop {
        if setup.shared.quiet() && setup.acknowledged().settled() {
            return;
        }
        let write = setup.acknowledged().next(|| admin::client(&node));
        let pause = match attempt(&node, &setup, &write).await {
            Ok(()) => random.random_range(50..250),
            Err(why) => {
                setup.recorder.tell(&setup.name, Event::Unknown { write: write.request.to_string(), why });
                random.random_range(50..100)
            }
        };
        sleep(Duration::from_millis(pause)).await;
    }
}

async fn attempt(node: &Node, setup: &Setup, write: &Write) -> Result<(), String> {
    let state = node.raft.state().borrow().clone();
    let judged = Administer { principal: admin::principal(), what: "agent annotate" };
    let permit = node.gate.judge(&state, judged).map_err(|denied| denied.to_string())?;
    let name = setup.acknowledged().agent.clone();
    let (key, value) = (write.key.clone(), write.value.clone());
    let (reply, answer) = oneshot::channel();
    let proposal = Proposal {
        command: Command::Annotate { name, key, value, actor: "user:admin".to_owned() },
        request: Some(write.request),
        permit: Some(permit.reference()),
        decided_term: None,
        deadline_ms: DEADLINE_MS,
        reply,
    };
    node.proposals.send(proposal).await.map_err(|_| "the node takes no proposals".to_owned())?;
    let answered = answer.await.map_err(|_| "the node gave no answer".to_owned())?;
    let committed = answered.map_err(|error| error.to_string())?;
    match committed.outcome {
        Outcome::Refused(Refusal::PolicyMoved { .. }) => Err("the policies moved".to_owned()),
        Outcome::Refused(refusal) => {
            let what = format!("write {} was refused: {refusal}", write.request);
            setup.recorder.tell(&setup.name, Event::Wrong(what.clone()));
            Err(what)
        }
        _ => {
            setup.acknowledged().acked();
            let event = Event::Acked { write: write.request.to_string(), index: committed.index };
            setup.recorder.tell(&setup.name, event);
            Ok(())
        }
    }
}
