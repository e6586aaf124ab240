//! A run whose clients are here, each with one connection to the node that it keeps.

use super::{Plan, meanwhile};
use crate::context::failure;
use crate::output::cell;
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use symbi_api::bench::tally::{Turn, measure};
use symbi_api::bench::{BYTES, Figures, Found, Order, Work, note};
use symbi_api::client::{Client, Connection, Error};
use symbi_api::dto::bench::{Agents, Report, Run, report};
use symbi_server::failure::Failure;
use tokio::sync::Mutex;

/// The most clients: a node takes 512 connections, and others need some too.
const CLIENTS: u16 = 256;
/// How often a client looks whether its agent is placed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long an agent may take to be placed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it, and answers as the node would.
pub async fn measure_here(plan: &Plan) -> Result<Value, Failure> {
    let client = plan.run.context.client()?;
    fits(plan)?;
    let Plan { work, run, sessions, .. } = plan;
    let run = Run {
        bench: work.name().to_owned(),
        clients: usize::from(run.clients),
        seconds: u64::from(run.seconds),
        sessions: *sessions,
        layers: None,
    };
    let order = run.clone().order(String::new()).map_err(|error| Failure::new(2, "USAGE", error.to_string()))?;
    let body = serde_json::to_value(&run).expect("numbers and texts");
    let agents = client.send(Method::POST, "/api/v1/bench/agents", Some(&body), &[]).await;
    let agents = agents.map_err(|error| failure(&error))?;
    let figures = work_through(&order, &client, agents).await;
    let dismissed = client.send(Method::DELETE, "/api/v1/bench/agents", None, &[]).await;
    let report: Report = report(&order, "http", &Found::Whole(figures?));
    dismissed.map_err(|error| failure(&error))?;
    Ok(serde_json::to_value(report).expect("numbers and texts"))
}

fn fits(plan: &Plan) -> Result<(), Failure> {
    if plan.work == Work::Policy {
        return Err(Failure::new(2, "USAGE", "a decision of the gate is no call of the interface")
            .fix("leave --http out: the gate is measured inside the node"));
    }
    if plan.run.clients > CLIENTS {
        let what = format!("with --http there are at most {CLIENTS} clients here, not {}", plan.run.clients);
        return Err(Failure::new(2, "USAGE", what)
            .why("a node takes 512 connections, and others need some too")
            .fix("name fewer --clients"));
    }
    Ok(())
}

async fn work_through(order: &Order, client: &Client, agents: Value) -> Result<Figures, Failure> {
    let garbled = |error: serde_json::Error| Error::Garbled(error.to_string());
    let agents: Agents = serde_json::from_value(agents).map_err(garbled).map_err(|error| failure(&error))?;
    let mut connections = Vec::new();
    for _ in 0..order.clients {
        let mut connection = client.connect().await.map_err(|error| failure(&error))?;
        // Shows its token: only few connections may be open without.
        let shown = connection.send(Method::GET, "/api/v1/policies/schema", None).await;
        shown.map_err(|error| failure(&error))?;
        connections.push(Mutex::new(connection));
    }
    let clients = Arc::new(Clients { work: order.work, agents, connections });
    let measured = measure(order.clients, order.length, move |client, done| {
        let clients = Arc::clone(&clients);
        async move { clients.turn(client, done).await }
    });
    Ok(meanwhile(&format!("bench {} over HTTP", order.work.name()), order.length, measured).await)
}

/// The clients of a run.
struct Clients {
    /// What they do.
    work: Work,
    /// The agents that were made for it.
    agents: Agents,
    /// A connection each.
    connections: Vec<Mutex<Connection>>,
}

impl Clients {
    async fn turn(&self, client: usize, done: u64) -> Turn {
        let mut connection = self.connections[client].lock().await;
        let began = Instant::now();
        match self.work {
            Work::Write => self.note(&mut connection, client, done).await?,
            Work::Ask | Work::Tell => self.message(&mut connection, client).await?,
            Work::Place => return place(&mut connection, client, done).await,
            Work::Policy => return Err("not over HTTP".to_owned()),
        }
        Ok(began.elapsed())
    }

    async fn note(&self, connection: &mut Connection, client: usize, done: u64) -> Result<(), String> {
        let path =
            format!("/api/v1/agents/{}/annotations/client-{client}", self.agents.from[client % self.agents.from.len()]);
        let body = json!({ "value": note(done) });
        connection.send(Method::PUT, &path, Some(&body)).await.map_err(named).map(drop)
    }

    async fn message(&self, connection: &mut Connection, client: usize) -> Result<(), String> {
        let Agents { from, to } = &self.agents;
        let pair = client % (from.len() * to.len());
        let (from, to) = (&from[pair / to.len()], &to[pair % to.len()]);
        let body = json!({
            "kind": self.work.name(), "from": from, "payload": "x".repeat(BYTES - 2),
            "timeout_ms": PATIENCE.as_millis() as u64,
        });
        let sent = connection.send(Method::POST, &format!("/api/v1/agents/{to}/messages"), Some(&body)).await;
        let sent = sent.map_err(named)?;
        let ended = sent["ending"].as_str().or(sent["status"].as_str()).unwrap_or_default();
        match ended {
            "answer" | "delivered" => Ok(()),
            other => Err(other.replace('_', " ")),
        }
    }
}

async fn place(connection: &mut Connection, client: usize, done: u64) -> Turn {
    let unique = std::process::id();
    let name = format!("bench-http-{unique}-{client}-{done}");
    let spec = json!({
        "name": name, "owner": symbi_sandbox::builtin::OWNER, "program": { "command": [symbi_sandbox::builtin::ECHO] },
        "resources": { "memory_mb": 1, "cpu_millis": 1 },
    });
    let began = Instant::now();
    let created = connection.send(Method::POST, "/api/v1/agents", Some(&spec)).await.map_err(named)?;
    let path = format!("/api/v1/agents/{name}");
    let at = format!("{path}?at={}", cell(&created["index"]));
    let placed = loop {
        let agent = connection.send(Method::GET, &at, None).await.map_err(named)?;
        if !agent["node"].is_null() {
            break Ok(began.elapsed());
        }
        if began.elapsed() > PATIENCE {
            break Err("not placed in time".to_owned());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    connection.send(Method::DELETE, &path, None).await.map_err(named)?;
    placed
}

/// An error by its stable code.
fn named(error: Error) -> String {
    match error {
        Error::Refused { code, .. } => code.to_ascii_lowercase().replace('_', " "),
        Error::Unreachable { .. } => "unreachable".to_owned(),
        Error::TimedOut(_) => "no answer in time".to_owned(),
        Error::Garbled(what) | Error::CutOff(what) => what,
    }
}
