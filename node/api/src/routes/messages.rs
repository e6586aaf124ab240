//! Messages from outside to an agent.

use super::{App, Caller, Json, Path, agents};
use crate::dto::message::{self, Send};
use crate::error::Error;
use crate::ports::{Call, Message, Speaker};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_policy::{Administer, AgentRef, Ask, SPEAK_AS_AGENT, Tell};

/// The longest payload, bytes of compact JSON.
const PAYLOAD_BYTES: usize = 1024 * 1024;
/// The longest wait for an answer, ms.
const MAX_TIMEOUT_MS: u64 = 60 * 60 * 1000;
/// The wait for an answer when none is given, ms.
const TIMEOUT_MS: u64 = 30_000;

/// `POST /api/v1/agents/{name}/messages` with a [`Send`].
pub async fn send(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(send): Json<Send>,
) -> Result<Response, Error> {
    let bad = |text: String| Error::BadRequest(text);
    let payload = serde_json::to_vec(&send.payload).map_err(|error| bad(error.to_string()))?;
    if payload.len() > PAYLOAD_BYTES {
        return Err(Error::TooLarge { limit: PAYLOAD_BYTES });
    }
    let timeout_ms = send.timeout_ms.unwrap_or(TIMEOUT_MS);
    if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
        return Err(bad(format!("timeout_ms: 1 to {MAX_TIMEOUT_MS}")));
    }
    if !["ask", "tell"].contains(&send.kind.as_str()) {
        return Err(bad(format!("kind: {:?}; it takes \"ask\" or \"tell\"", send.kind)));
    }
    in_scope(&app, &caller, &send.kind)?;
    let from = speaker(&app, &caller, send.from).await?;
    let to = addressed(&app, &caller, &from, &send.kind, &name).await?;
    let message = Message { from, to, payload, timeout: Duration::from_millis(timeout_ms) };
    if send.kind == "ask" {
        let (id, ending) = app.call(|reply| Call::Ask(message, reply)).await??;
        return Ok(axum::Json(message::asked(id, ending)).into_response());
    }
    let (id, status) = app.call(|reply| Call::Tell(message, reply)).await??;
    Ok(axum::Json(message::told(id, status)).into_response())
}

/// Whom a message of this speaker is for. Who may not see the cluster names an agent that they may send it to, or is not told whether
/// there is one.
async fn addressed(app: &App, caller: &Caller, from: &Speaker, kind: &str, wanted: &str) -> Result<AgentName, Error> {
    let (state, gate) = (app.ports.state.borrow().clone(), &app.ports.gate);
    if matches!(from, Speaker::OnBehalf { .. }) || caller.sees(gate, &state) {
        return receiver(app, wanted).await;
    }
    let named = wanted.parse::<AgentName>().ok().filter(|name| state.agents.contains_key(name));
    let may = |name: &AgentName| {
        let (from, to) = (caller.principal(), AgentRef { name: name.to_string(), owner: String::new() });
        match kind {
            "tell" => gate.would_permit(&state, &Tell { from, to }),
            _ => gate.would_permit(&state, &Ask { from, to }),
        }
    };
    match named.filter(may) {
        Some(name) => Ok(name),
        None => Err(caller.told(gate, &state, Error::NotFound(format!("there is no agent {wanted:?}")))),
    }
}

/// Refuses what the caller's token is not good for. Whether its user may, the nodes judge that carry the message.
fn in_scope(app: &App, caller: &Caller, kind: &str) -> Result<(), Error> {
    let state = app.ports.state.borrow().clone();
    let action = if kind == "tell" { "message::tell" } else { "message::ask" };
    Ok(app.ports.gate.in_scope(&state, &caller.principal(), action)?)
}

/// Whom a message is for. One for an agent that nobody knows is sent too: it ends as every other, as not delivered.
async fn receiver(app: &App, wanted: &str) -> Result<AgentName, Error> {
    match (agents::named(app, wanted).await, wanted.parse()) {
        (Err(Error::NotFound(_)), Ok(name)) => Ok(name),
        (Err(Error::NotFound(_)), Err(error)) => Err(Error::BadRequest(error.to_string())),
        (found, _) => found,
    }
}

async fn speaker(app: &App, caller: &Caller, from: Option<String>) -> Result<Speaker, Error> {
    let Some(from) = from else { return Ok(Speaker::User(caller.user().to_owned())) };
    let agent = match receiver(app, &from).await {
        Err(Error::BadRequest(why)) => return Err(Error::BadRequest(format!("from: {why}"))),
        found => found?,
    };
    let state = app.ports.state.borrow().clone();
    let administer = Administer { principal: caller.principal(), what: SPEAK_AS_AGENT };
    let permit = app.ports.gate.judge(&state, administer)?.reference();
    Ok(Speaker::OnBehalf { agent, user: caller.user().to_owned(), permit })
}
