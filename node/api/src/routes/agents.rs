//! Agents: recorded, listed, shown, stopped, removed, annotated.

pub mod specs;

use super::{App, Caller, Json, Path, Query, leaderless};
use crate::dto::agent::{self, Annotation, Created, Detail, Line, Logs, Written};
use crate::dto::spec::Spec;
use crate::error::Error;
use crate::keys;
use crate::ports::Call;
use crate::prefix;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use serde::Deserialize;
use symbi_model::agent::{ANNOTATION_BYTES, Agent, AgentName, Recorded};
use symbi_model::{AgentId, Command, Outcome, State};
use symbi_policy::{Act, CreateAgent, DeleteAgent, StopAgent, UpdateAgent};

/// The most log lines that are answered.
const LOG_LINES: u32 = 1_000;

/// Which agents are listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Those whose name begins so, or whose id does, with four characters of it at least. Default: all.
    prefix: Option<String>,
    /// As [`Freshness`] has it.
    at: Option<u64>,
    /// As [`Freshness`] has it.
    consistency: Option<String>,
}

/// `GET /api/v1/agents?prefix=NAME`.
pub async fn list(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(Listing { prefix, at, consistency }): Query<Listing>,
) -> Result<axum::Json<Vec<Line>>, Error> {
    let state = read::state(&app.ports, &Freshness::new(at, consistency)).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let wanted = |agent: &&Agent| {
        let Some(prefix) = prefix.as_deref() else { return true };
        prefix::fits(prefix, Some(agent.spec.name.as_str()), &agent.id.to_string())
    };
    Ok(axum::Json(state.agents.values().filter(wanted).map(|agent| agent::line(&state, agent)).collect()))
}

/// `GET /api/v1/agents/{name}`: by its whole name or id. Who may not see what is in it is shown it without that.
pub async fn show(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Detail>, Error> {
    let (state, gate) = (read::state(&app.ports, &freshness).await?, &app.ports.gate);
    let found = find(&state, &name);
    if let Ok(agent) = found
        && caller.sees_agent(gate, &state, &agent.spec.name)
    {
        return Ok(axum::Json(agent::detail(&state, agent)));
    }
    // Only who may see that there is none is told so.
    caller.may_read(gate, &state)?;
    Ok(axum::Json(agent::detail(&state, found?).without_content()))
}

/// `POST /api/v1/agents` with a [`Spec`].
pub async fn create(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(spec): Json<Spec>,
) -> Result<axum::Json<Created>, Error> {
    let spec = Recorded::from(spec.into_model()?);
    let act = CreateAgent { principal: caller.principal(), spec: spec.clone() };
    let id = match headers.get(write::KEY_HEADER) {
        Some(key) => keys::derived(keys::parse(key.to_str().unwrap_or_default())?, "agent"),
        None => keys::uuid_v7((app.ports.wall_ms)().max(app.ports.state.borrow().counters.log_time_ms)),
    };
    let id = AgentId(id);
    let name = spec.name.to_string();
    let command = Command::create_agent(&app.ports.state.borrow().clone(), id, spec, caller.actor());
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, command).await?;
    let id = match committed.outcome {
        Outcome::Created { id } => id,
        _ => id,
    };
    Ok(axum::Json(Created { id: id.to_string(), name, index: committed.index }))
}

/// `POST /api/v1/agents/{name}/stop`.
pub async fn stop(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    let target = target(&app, &caller, &name, "agent::stop").await?;
    let act = StopAgent { principal: caller.principal(), name: target.0.clone(), owner: target.1 };
    let command = Command::StopAgent { name: target.0, actor: caller.actor() };
    written(&app, &caller, &headers, &act, command).await
}

/// `DELETE /api/v1/agents/{name}`.
pub async fn remove(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    let target = target(&app, &caller, &name, "agent::delete").await?;
    let act = DeleteAgent { principal: caller.principal(), name: target.0.clone(), owner: target.1 };
    let command = Command::RemoveAgent { name: target.0, actor: caller.actor() };
    written(&app, &caller, &headers, &act, command).await
}

/// `PUT /api/v1/agents/{name}/annotations/{key}` with `{"value": …}`: a note changes the agent's record, and is judged as that.
pub async fn annotate(
    Shared(app): Shared<App>,
    caller: Caller,
    Path((name, key)): Path<(String, String)>,
    headers: HeaderMap,
    Json(annotation): Json<Annotation>,
) -> Result<axum::Json<Written>, Error> {
    if annotation.value.len() > ANNOTATION_BYTES {
        return Err(Error::BadRequest(format!("value: at most {ANNOTATION_BYTES} bytes")));
    }
    let (name, owner) = target(&app, &caller, &name, "agent::update").await?;
    let act = UpdateAgent { principal: caller.principal(), name: name.clone(), owner };
    let command = Command::Annotate { name, key, value: annotation.value, actor: caller.actor() };
    written(&app, &caller, &headers, &act, command).await
}

/// How many lines of an agent's log are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// At most this many, the last ones. Default: 100.
    lines: Option<u32>,
}

/// `GET /api/v1/agents/{name}/logs?lines=N`.
pub async fn logs(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<axum::Json<Logs>, Error> {
    let state = leaderless::state(&app.ports, &Freshness::default(), caller.listener).await?;
    let (found, gate) = (find(&state, &name), &app.ports.gate);
    if !found.as_ref().is_ok_and(|agent| caller.sees_agent(gate, &state, &agent.spec.name)) {
        caller.may_read(gate, &state)?;
    }
    let name = found?.spec.name.clone();
    caller.may_read_agent(gate, &state, &name)?;
    let lines = query.lines.unwrap_or(100).min(LOG_LINES);
    let found = app.call(|reply| Call::Logs(name, lines, reply)).await?.map_err(Error::Unavailable)?;
    Ok(axum::Json(Logs { lines: found.unwrap_or_default() }))
}

/// The agent whose name or id is `wanted`.
///
/// # Errors
/// [`Error::NotFound`].
pub fn find<'state>(state: &'state State, wanted: &str) -> Result<&'state Agent, Error> {
    let by_name = wanted.parse().ok().and_then(|name: AgentName| state.agents.get(&name));
    let by_id = |id: AgentId| state.agents.values().find(|agent| agent.id == id);
    by_name
        .or_else(|| wanted.parse().ok().and_then(by_id))
        .ok_or_else(|| Error::NotFound(format!("there is no agent {wanted:?}")))
}

/// The name of the agent that `wanted` means, for messages. A name that this node knows is taken at once; another is
/// looked up in a fresh state, since a new agent may be called so.
pub(super) async fn named(app: &App, wanted: &str) -> Result<AgentName, Error> {
    if let Ok(name) = wanted.parse::<AgentName>()
        && app.ports.state.borrow().agents.contains_key(&name)
    {
        return Ok(name);
    }
    let state = read::state(&app.ports, &Freshness::default()).await?;
    find(&state, wanted).map(|agent| agent.spec.name.clone())
}

/// An agent's name and owner, in a fresh state, for a caller who shows no token that is not good for `action`.
async fn target(app: &App, caller: &Caller, wanted: &str, action: &'static str) -> Result<(AgentName, String), Error> {
    let (state, gate) = (read::state(&app.ports, &Freshness::default()).await?, &app.ports.gate);
    gate.in_scope(&state, &caller.principal(), action)?;
    let agent = find(&state, wanted).map_err(|none| caller.told(gate, &state, none))?;
    Ok((agent.spec.name.clone(), agent.spec.owner.clone()))
}

async fn written<R: Act + Clone>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    act: &R,
    command: Command,
) -> Result<axum::Json<Written>, Error> {
    let told = |refusal: Error| match refusal {
        // As if there were no such agent.
        Error::Denied { .. } => caller.told(&app.ports.gate, &app.ports.state.borrow().clone(), refusal),
        other => other,
    };
    let committed = write::propose(&app.ports, &app.pool, headers, act, command).await.map_err(told)?;
    Ok(axum::Json(Written { index: committed.index }))
}
