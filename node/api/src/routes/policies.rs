//! Policy sets, and why an agent is where it is.

use super::{App, Caller, Path, Query, leaderless};
use crate::dto;
use crate::dto::cases::{Cases, Report};
use crate::dto::policy::{Applied, Apply, Diff, DiffClause, Schema, Set, SetLine, WhyAgent, WhyNode};
use crate::error::Error;
use crate::ports::Call;
use crate::read::{self, Freshness};
use crate::write;
use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use serde::Deserialize;
use symbi_model::policy::PolicySet;
use symbi_model::{Command, Outcome, PolicyNumber, State};
use symbi_policy::{ApplyPolicies, Candidate};

/// `GET /api/v1/policies`: the current set.
pub async fn current(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Set>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    caller.may_read(&app.ports.gate, &state)?;
    set(&state, state.counters.policy_set)
}

/// `GET /api/v1/policies/{number}`.
pub async fn show(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(number): Path<u64>,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Set>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    caller.may_read(&app.ports.gate, &state)?;
    set(&state, PolicyNumber(number))
}

/// `GET /api/v1/policies/sets`: a line for each, the latest first.
pub async fn list(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Vec<SetLine>>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let line = |set: &PolicySet| SetLine {
        number: set.number.0,
        current: set.number == state.counters.policy_set,
        hash: set.hash.to_string(),
        actor: set.actor.clone(),
        index: set.created_at,
        at_ms: set.created_ms,
    };
    Ok(Json(state.policy_sets.values().rev().map(line).collect()))
}

/// `GET /api/v1/policies/schema`.
pub async fn schema(Shared(app): Shared<App>, caller: Caller) -> Result<Json<Schema>, Error> {
    caller.may_read(&app.ports.gate, &app.ports.state.borrow().clone())?;
    Ok(Json(Schema { schema: symbi_policy::schema_text() }))
}

/// Whether a write is only tried.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// Everything but the write itself. Default: no.
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/policies?dry_run=true` with an [`Apply`].
pub async fn apply(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(mode): Query<Mode>,
    super::Json(wanted): super::Json<Apply>,
) -> Result<Json<Applied>, Error> {
    put(&app, &caller, &headers, &mode, wanted.text, wanted.entities).await
}

/// `POST /api/v1/policies/{number}/rollback?dry_run=true`: a new set with an old one's content.
pub async fn rollback(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(mode): Query<Mode>,
) -> Result<Json<Applied>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    app.ports.gate.forestall(&state, &ApplyPolicies { principal: caller.principal() })?;
    let old = find(&state, PolicyNumber(number))?;
    put(&app, &caller, &headers, &mode, old.text.clone(), old.entities.clone()).await
}

/// Who may not apply policies has none parsed; and nothing is proposed that is not valid, or locks its author out.
async fn put(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    mode: &Mode,
    text: String,
    entities: String,
) -> Result<Json<Applied>, Error> {
    let act = ApplyPolicies { principal: caller.principal() };
    let state = app.ports.state.borrow().clone();
    let _permit = app.ports.gate.judge(&state, act.clone())?;
    let candidate = checked(text, entities).await??;
    let keeper = app.ports.gate.keeps_open(&state, &candidate, &act)?;
    let (text, entities) = (candidate.text().to_owned(), candidate.entities().to_owned());
    let hash = PolicySet::hash_of(&text, &entities).to_string();
    let mut applied =
        Applied { dry_run: mode.dry_run, number: None, index: None, hash, policies: candidate.policies() };
    if mode.dry_run {
        return Ok(Json(applied));
    }
    let command = Command::ApplyPolicies { text, entities, keeper, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, headers, &act, command).await?;
    applied.index = Some(committed.index);
    if let Outcome::PoliciesApplied { number } = committed.outcome {
        applied.number = Some(number.0);
    }
    Ok(Json(applied))
}

/// Checking takes a thread with a large stack, and some milliseconds.
async fn checked(text: String, entities: String) -> Result<Result<Candidate, Error>, Error> {
    aside(move || Candidate::check(&text, &entities).map_err(Error::from)).await
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Internal(error.to_string()))
}

/// `GET /api/v1/policies/{number}/diff/{other}`.
pub async fn diff(
    Shared(app): Shared<App>,
    caller: Caller,
    Path((from, to)): Path<(u64, u64)>,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Diff>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let (old, new) = (find(&state, PolicyNumber(from))?.clone(), find(&state, PolicyNumber(to))?.clone());
    let found = aside(move || symbi_policy::diff((&old.text, &old.entities), (&new.text, &new.entities))).await?;
    let found = found.map_err(|error| Error::Internal(format!("a policy set cannot be read: {error}")))?;
    let clauses = found.into_iter().map(|found| DiffClause { clause: found.clause, lines: found.lines });
    Ok(Json(Diff { from, to, clauses: clauses.collect() }))
}

/// `POST /api/v1/policies/test` with [`Cases`], put to the current set.
pub async fn test(
    Shared(app): Shared<App>,
    caller: Caller,
    super::Json(wanted): super::Json<Cases>,
) -> Result<Json<Report>, Error> {
    let cases = wanted.into_cases()?;
    let state = read::state(&app.ports, &Freshness::default()).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let set = find(&state, state.counters.policy_set)?;
    let (number, candidate) = (set.number, checked(set.text.clone(), set.entities.clone()).await??);
    let report = move || {
        let tested = symbi_policy::cases::test(&candidate, number, &cases);
        dto::cases::report(Some(number.0), &cases, &tested)
    };
    Ok(Json(aside(report).await?))
}

fn set(state: &State, number: PolicyNumber) -> Result<Json<Set>, Error> {
    let set = find(state, number)?;
    Ok(Json(Set {
        number: number.0,
        current: number == state.counters.policy_set,
        hash: set.hash.to_string(),
        actor: set.actor.clone(),
        index: set.created_at,
        at_ms: set.created_ms,
        text: set.text.clone(),
        entities: set.entities.clone(),
    }))
}

fn find(state: &State, number: PolicyNumber) -> Result<&PolicySet, Error> {
    state.policy_sets.get(&number).ok_or_else(|| Error::NotFound(format!("there is no policy set {number}")))
}

/// `GET /api/v1/agents/{name}/why`.
pub async fn why_agent(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(freshness): Query<Freshness>,
) -> Result<Json<WhyAgent>, Error> {
    let state = leaderless::state(&app.ports, &freshness, caller.listener).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let agent = super::agents::find(&state, &name)?;
    let detail = dto::agent::detail(&state, agent);
    let name = agent.spec.name.clone();
    let lines = app.call(|reply| Call::WhyAgent(name, reply)).await?;
    let (summary, nodes): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(node, _)| node.is_empty());
    Ok(Json(WhyAgent {
        agent: detail.line.name,
        node: detail.line.node,
        epoch: detail.line.epoch,
        state: detail.line.state,
        detail: detail.detail,
        why: summary.into_iter().map(|(_, text)| text).collect(),
        nodes: nodes.into_iter().map(|(node, reason)| WhyNode { node, reason }).collect(),
    }))
}
