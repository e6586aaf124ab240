//! The administrator: makes join tokens, and the agents once every node is a member.

use crate::setup::Setup;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::{ANSWER_WITHIN_MS, Resources, Spec};
use symbi_model::ids::RequestId;
use symbi_model::node::Membership;
use symbi_model::{AgentId, ClientId, Command, Proposal};
use symbi_policy::{CreateAgent, Principal};
use symbi_server::node::Node;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Between two attempts at something.
const AGAIN: Duration = Duration::from_millis(100);

/// The user whom the starter policies let do everything.
#[must_use]
pub fn principal() -> Principal {
    Principal::User("admin".to_owned())
}

/// Makes a token for each joiner, waits until they are members, and records the agents. Done once in a run.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>) {
    let joiners = setup.shared.hosts - 1;
    while setup.shared.tokens.borrow().len() < joiners {
        match symbi_api::first_token(&node.api).await {
            Ok(created) => setup.shared.tokens.send_modify(|tokens| tokens.push(created.token)),
            Err(_) => sleep(AGAIN).await,
        }
    }
    let members = |state: &symbi_model::State| {
        let member = |node: &&symbi_model::node::Node| node.membership == Membership::Member;
        state.nodes.values().filter(member).count() > joiners
    };
    if node.raft.state().wait_for(members).await.is_err() {
        return;
    }
    for (at, (name, program)) in setup.shared.agents.iter().enumerate() {
        create(&node, &setup, name, program, u64::try_from(at).unwrap_or(0) + 1).await;
    }
}

async fn create(node: &Node, setup: &Setup, name: &str, program: &str, sequence: u64) {
    let spec = Spec {
        max_in_flight: 4,
        answer_within_ms: ANSWER_WITHIN_MS,
        resources: Resources { memory_mb: 64, cpu_millis: 100 },
        ..Spec::new(name.parse().expect("agents have good names"), "sim", vec![program.to_owned()])
    };
    let request = RequestId { client: client(node), sequence };
    let id = AgentId(symbi_api::keys::uuid_v7((node.api.wall_ms)()));
    loop {
        let state = node.raft.state().borrow().clone();
        let judged = CreateAgent { principal: principal(), spec: (&spec).into() };
        if let Ok(permit) = node.gate.judge(&state, judged) {
            let (reply, answer) = oneshot::channel();
            let proposal = Proposal {
                command: Command::create_agent(&state, id, &spec, "user:admin".to_owned()),
                request: Some(request),
                permit: Some(permit.reference()),
                decided_term: None,
                deadline_ms: 5_000,
                reply,
            };
            let sent = node.proposals.send(proposal).await.is_ok();
            if sent && matches!(answer.await, Ok(Ok(_))) {
                return;
            }
        }
        setup.recorder.tell(&setup.name, crate::trace::Event::Fault(format!("agent {name} is not recorded yet")));
        sleep(AGAIN).await;
    }
}

/// A client's id of this moment.
#[must_use]
pub fn client(node: &Node) -> ClientId {
    ClientId(symbi_api::keys::uuid_v7((node.api.wall_ms)()))
}

/// The value under `key`, if `payload` is JSON and has one.
#[must_use]
pub fn field(payload: &[u8], key: &str) -> Option<Value> {
    serde_json::from_slice::<Value>(payload).ok()?.get(key).cloned()
}
