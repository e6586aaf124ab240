//! Lets the agents of its node talk: each message is an `ask` of an agent that the node believes to run here, to any agent
//! of the cluster. What comes back must be the answer to what was asked.

use crate::clients::admin::field;
use crate::host::Setup;
use crate::trace::Event;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_host::{Caller, Ending};
use symbi_model::agent::AgentName;
use symbi_node::node::Node;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Messages on their way at once.
const IN_FLIGHT: usize = 12;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Talks until the run is quiet.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>, mut random: StdRng) {
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut number = 0_u64;
    while !setup.shared.quiet() {
        sleep(Duration::from_millis(random.random_range(20..100))).await;
        let Some((from, to)) = pair(&node, &mut random) else { continue };
        let Ok(room) = Arc::clone(&room).try_acquire_owned() else { continue };
        number += 1;
        let through = format!("echo-{}", random.random_range(1..=3));
        let payload = json!({ "n": number, "through": (through != from.as_str()).then_some(through) });
        let (node, setup) = (Arc::clone(&node), Arc::clone(&setup));
        tokio::spawn(async move {
            ask(&node, &setup, from, to, number, &payload).await;
            drop(room);
        });
    }
}

/// An agent that runs here, as far as the node knows, and another one.
fn pair(node: &Node, random: &mut StdRng) -> Option<(AgentName, AgentName)> {
    let state = node.raft.state();
    let state = state.borrow();
    let here: Vec<&AgentName> = state.held_by(&node.id).collect();
    let from = (*here.choose(random)?).clone();
    let others: Vec<&AgentName> = state.agents.keys().filter(|name| **name != from).collect();
    Some((from, (*others.choose(random)?).clone()))
}

async fn ask(node: &Node, setup: &Setup, from: AgentName, to: AgentName, number: u64, payload: &Value) {
    let bytes = payload.to_string().into_bytes();
    let ending = match node.host.ask(Caller::Agent(from.clone()), to.clone(), bytes, TIMEOUT).await {
        Ok((_, ending)) => ending,
        Err(not_here) => Ending::NotDelivered { reason: not_here.to_string() },
    };
    if let Ending::Answer(answer) = &ending {
        let echo = field(answer, "echo").unwrap_or_default();
        let right = field(answer, "n") == Some(number.into()) && (echo.is_null() || echo["n"] == number);
        if !right {
            let said = String::from_utf8_lossy(answer);
            setup.recorder.tell(&setup.name, Event::Wrong(format!("{to} answered {payload} with {said}")));
        }
        setup.answered.fetch_add(1, Ordering::Relaxed);
    }
    let event = Event::Asked { from: from.to_string(), to: to.to_string(), ending: ending.to_string() };
    setup.recorder.tell(&setup.name, event);
}
