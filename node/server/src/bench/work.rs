//! What the clients of a run do: each as an agent or a user of this node does it, from inside the node.

use super::Ports;
use super::provisioner::Provisioner;
use super::sink;
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbi_api::bench::tally::{Turn, measure};
use symbi_api::bench::{BYTES, BenchAgents, Figures, NOTED, Order, Work, note};
use symbi_api::error::Error;
use symbi_host::{Caller, Ending, NotHere, TellStatus};
use symbi_model::agent::{AgentName, Hold};
use symbi_model::node::{Liveness, Membership};
use symbi_model::{Command, NodeId};
use symbi_policy::{Administer, AgentRef, Ask, Principal};
use symbi_proto::wire::bench::{BenchReply, BenchRequest};
use symbi_sandbox::builtin::OWNER;

/// How long a message or a placement may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after the last message was told the signature over it may be verified.
const ATTESTED_WITHIN: Duration = Duration::from_secs(5);
/// Looks that are taken, until two in a row see the same. A node with other traffic never settles.
const SETTLING: u32 = 50;
/// How often it is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Decisions between two moments in which the node's other tasks may run.
const DECISIONS: u64 = 32;

/// Makes the agents that a run needs.
pub async fn provision(ports: &Ports, provisioner: &Provisioner, order: &Order) -> Result<BenchAgents, Error> {
    match order.work {
        Work::Write => {
            Ok(BenchAgents { from: provisioner.provision(None, order.clients.min(NOTED)).await?, to: Vec::new() })
        }
        Work::Policy => {
            Ok(BenchAgents { from: provisioner.provision(None, 1).await?, to: provisioner.provision(None, 1).await? })
        }
        Work::Ask | Work::Tell => {
            let (here, (_, there)) = (own_name(ports)?, another(ports)?);
            // As many senders as receivers: each pair of them has a session of its own.
            let side = order.sessions.isqrt();
            Ok(BenchAgents {
                from: provisioner.provision(Some(&here), side).await?,
                to: provisioner.provision(Some(&there), side).await?,
            })
        }
        Work::Place => Ok(BenchAgents::default()),
    }
}

/// Does what is ordered, with the agents that were made for it.
pub async fn run(ports: &Ports, provisioner: &Provisioner, agents: Arc<BenchAgents>, order: &Order) -> Figures {
    match order.work {
        Work::Write => write(ports, provisioner, agents, order).await,
        Work::Ask | Work::Tell => messages(ports, &agents, order).await,
        Work::Policy => policy(ports, &agents, order).await,
        Work::Place => place(ports, provisioner, order).await,
    }
}

/// A JSON text of [`BYTES`].
pub fn payload() -> Vec<u8> {
    format!("\"{}\"", "x".repeat(BYTES - 2)).into_bytes()
}

async fn write(ports: &Ports, provisioner: &Provisioner, agents: Arc<BenchAgents>, order: &Order) -> Figures {
    let (ports, provisioner) = (ports.clone(), provisioner.clone());
    measure(order.clients, order.length, move |client, done| {
        let (ports, provisioner, name) = (ports.clone(), provisioner.clone(), agents.noted(client).clone());
        async move {
            let began = Instant::now();
            let act = Administer { principal: provisioner.principal(), what: "agent annotate" };
            let (key, value) = (format!("client-{client}"), note(done));
            let command = Command::Annotate { name, key, value, actor: provisioner.actor() };
            ports.propose(&act, command).await.map_err(|error| named(&error))?;
            Ok(began.elapsed())
        }
    })
    .await
}

async fn messages(ports: &Ports, agents: &BenchAgents, order: &Order) -> Figures {
    let (pairs, host) = (Arc::new(agents.pairs()), ports.host.clone());
    let (ask, payload) = (order.work == Work::Ask, payload());
    // The sessions are set up before anything is measured; what keeps one from it is found again and counted then.
    for (from, to) in &*pairs {
        let _ = message(host.clone(), from.clone(), to.clone(), payload.clone(), ask).await;
    }
    let to = another(ports).map(|(to, _)| to).map_err(|error| error.to_string());
    let before = settled(ports, &to).await;
    let figures = measure(order.clients, order.length, move |client, _| {
        let (from, to) = pairs[client % pairs.len()].clone();
        message(host.clone(), from, to, payload.clone(), ask)
    })
    .await;
    // Each client also tells one thing that is not counted.
    let owed = before.map(|before| before + figures.operations + order.clients as u64);
    if ask { figures } else { attest(ports, &to, owed, figures).await }
}

/// What was told counts when the receiver's node has verified the signature over it, and the run lasts until the last was.
/// What is not in time has failed.
async fn attest(
    ports: &Ports,
    to: &Result<NodeId, String>,
    owed: Result<u64, String>,
    mut figures: Figures,
) -> Figures {
    let began = Instant::now();
    let missing = loop {
        let missing = match (&owed, attested(ports, to).await) {
            (Ok(owed), Ok(attested)) => owed.saturating_sub(attested),
            (Err(_), _) | (_, Err(_)) => figures.operations,
        };
        if missing == 0 || began.elapsed() > ATTESTED_WITHIN {
            break missing.min(figures.operations);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    figures.elapsed += began.elapsed();
    if missing > 0 {
        figures.operations -= missing;
        figures.errors.insert("not attested".to_owned(), missing);
    }
    figures
}

/// [`attested`], when what was told before has been verified.
async fn settled(ports: &Ports, to: &Result<NodeId, String>) -> Result<u64, String> {
    let mut before = attested(ports, to).await?;
    for _ in 0..SETTLING {
        tokio::time::sleep(4 * LOOK_EVERY).await;
        let now = attested(ports, to).await?;
        if now == before {
            break;
        }
        before = now;
    }
    Ok(before)
}

/// How many messages of agents, whoever sent them, the node `to` has verified the signature over.
async fn attested(ports: &Ports, to: &Result<NodeId, String>) -> Result<u64, String> {
    match sink::ask(&ports.net, to.clone()?, BenchRequest::Attested).await? {
        BenchReply::Attested(messages) => Ok(messages),
        _ => Err("the sink answers something else".to_owned()),
    }
}

async fn message(host: symbi_host::Handle, from: AgentName, to: AgentName, payload: Vec<u8>, ask: bool) -> Turn {
    let (began, caller) = (Instant::now(), Caller::Agent(from));
    let away = |_: NotHere| "sender not here".to_owned();
    if ask {
        match host.ask(caller, to, payload, PATIENCE).await.map_err(away)?.1 {
            Ending::Answer(_) => Ok(began.elapsed()),
            Ending::Denied { .. } => Err("denied".to_owned()),
            Ending::NotDelivered { reason } => Err(format!("not delivered: {reason}")),
            Ending::DeadlineExceeded { .. } => Err("deadline exceeded".to_owned()),
            Ending::OutcomeUnknown => Err("outcome unknown".to_owned()),
        }
    } else {
        match host.tell(caller, to, payload, PATIENCE).await.map_err(away)?.1 {
            TellStatus::Delivered => Ok(began.elapsed()),
            TellStatus::Denied { .. } => Err("denied".to_owned()),
            TellStatus::NotDelivered { reason } => Err(format!("not delivered: {reason}")),
            TellStatus::Unknown => Err("outcome unknown".to_owned()),
        }
    }
}

async fn policy(ports: &Ports, agents: &BenchAgents, order: &Order) -> Figures {
    let named_as = |name: &AgentName| AgentRef { name: name.to_string(), owner: OWNER.to_owned() };
    let request = Ask { from: Principal::Agent(named_as(&agents.from[0])), to: named_as(&agents.to[0]) };
    let (state, gate) = (ports.here.state.clone(), ports.here.gate.clone());
    measure(order.clients, order.length, move |_, done| {
        let (state, gate, request) = (state.clone(), gate.clone(), request.clone());
        async move {
            if done % DECISIONS == 0 {
                tokio::task::yield_now().await;
            }
            let began = Instant::now();
            let now = state.borrow().clone();
            let judged = gate.judge(&now, request);
            let took = began.elapsed();
            judged.map(|_| took).map_err(|_| "denied".to_owned())
        }
    })
    .await
}

async fn place(ports: &Ports, provisioner: &Provisioner, order: &Order) -> Figures {
    let (ports, provisioner) = (ports.clone(), provisioner.clone());
    measure(order.clients, order.length, move |_, _| {
        let (ports, provisioner) = (ports.clone(), provisioner.clone());
        async move {
            let began = Instant::now();
            let name = provisioner.make(None).await.map_err(|error| named(&error))?;
            let mut state = ports.here.state.clone();
            let placed = state.wait_for(|state| {
                let placement = state.agents.get(&name).and_then(|agent| agent.placement);
                placement.is_some_and(|placement| placement.hold == Hold::Held)
            });
            let placed = tokio::time::timeout(PATIENCE, placed).await.map(|_| began.elapsed());
            provisioner.remove(&name).await.map_err(|error| named(&error))?;
            let gone = state.wait_for(|state| !state.agents.contains_key(&name));
            tokio::time::timeout(PATIENCE, gone).await.map_err(|_| "not removed in time".to_owned())?.ok();
            placed.map_err(|_| "not placed in time".to_owned())
        }
    })
    .await
}

/// The name of this node.
fn own_name(ports: &Ports) -> Result<String, Error> {
    let state = ports.here.state.borrow();
    let own = state.nodes.get(&ports.here.node).map(|node| node.name.clone());
    own.ok_or_else(|| Error::Unavailable("this node is no member yet".to_owned()))
}

/// Another node that agents can be placed on, and its name.
pub fn another(ports: &Ports) -> Result<(NodeId, String), Error> {
    let state = ports.here.state.borrow();
    let fit = state.nodes.iter().filter(|(id, node)| {
        **id != ports.here.node && node.membership == Membership::Member && node.liveness == Liveness::Up
    });
    let other = fit.map(|(id, node)| (*id, node.name.clone())).next();
    other.ok_or_else(|| Error::Unavailable("messages are measured between two nodes, and this one is alone".to_owned()))
}

/// An error by its stable code.
fn named(error: &Error) -> String {
    error.code().to_ascii_lowercase().replace('_', " ")
}
