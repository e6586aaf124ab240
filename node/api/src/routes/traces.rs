//! What became of a message, asked of every ledger.

use super::{App, Caller, Path};
use crate::dto::trace::{self, Message, Status};
use crate::error::Error;
use crate::ports::{Call, Traced};
use axum::Json;
use axum::extract::State as Shared;
use symbi_model::MessageId;
use symbi_model::agent::AgentName;

/// So many ids at most are named where a beginning fits several.
const CANDIDATES: usize = 8;

/// `GET /api/v1/messages/{id}`: all that is known of a message; the id may be a unique beginning of it.
pub async fn show(Shared(app): Shared<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Message>, Error> {
    find(&app, &caller, id).await.map(Json)
}

/// `GET /api/v1/messages/{id}/status`.
pub async fn status(Shared(app): Shared<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Status>, Error> {
    let Message { id, status, unreachable, .. } = find(&app, &caller, id).await?;
    Ok(Json(Status { message_id: id, status, unreachable }))
}

/// What is known of a message, for its own sender, and for whoever may see what is in one of its two agents. (Others who may see the
/// cluster learn at most how ids of messages begin; who may not, nothing.)
async fn find(app: &App, caller: &Caller, id: String) -> Result<Message, Error> {
    let found = any(app, id).await;
    let (state, gate) = (app.ports.state.borrow().clone(), &app.ports.gate);
    let message = found.map_err(|none| caller.told(gate, &state, none))?;
    let agents: Vec<AgentName> =
        [&message.sender, &message.receiver].into_iter().filter_map(|name| name.parse().ok()).collect();
    if message.user == caller.user() || agents.iter().any(|agent| caller.sees_agent(gate, &state, agent)) {
        return Ok(message);
    }
    caller.may_read(gate, &state)?;
    if let Some(receiver) = agents.last() {
        caller.may_read_agent(gate, &state, receiver)?;
    }
    Ok(message)
}

async fn any(app: &App, id: String) -> Result<Message, Error> {
    let wanted = id.to_ascii_lowercase();
    if MessageId::beginning(&wanted).is_none() {
        return Err(Error::BadRequest(format!("{id:?} is not a message id (a UUID) or the beginning of one")));
    }
    let Traced { seen, more, unreachable } = app.call(|reply| Call::Message(wanted.clone(), reply)).await?;
    let mut messages = trace::by_message(seen);
    let candidates: Vec<String> = messages.keys().take(CANDIDATES).cloned().collect();
    let are_more = more || messages.len() > CANDIDATES;
    match (messages.pop_first(), more) {
        (Some((_, seen)), false) if messages.is_empty() => {
            let state = app.ports.state.borrow().clone();
            Ok(trace::message(&state, &seen, unreachable, (app.ports.wall_ms)()))
        }
        (None, _) if !unreachable.is_empty() => {
            let nodes = unreachable.join(", ");
            Err(Error::Unavailable(format!(
                "none of the nodes that answered knows message {id}; {nodes} did not answer and may know it"
            )))
        }
        (None, false) => Err(Error::NotFound(format!("no node knows message {id}"))),
        _ => Err(Error::Ambiguous { what: "message", wanted: id, candidates, more: are_more }),
    }
}
