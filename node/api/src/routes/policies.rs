//! Policy sets, verdicts, and why an agent is where it is.

use super::{App, Caller, Path, Query};
use crate::dto::policy::{self, Set, Verdict, WhyAgent, WhyNode};
use crate::dto::{self};
use crate::error::Error;
use crate::ports::Call;
use crate::read::{self, Freshness};
use axum::Json;
use axum::extract::State as Shared;
use symbi_model::{DecisionId, PolicyNumber, State};

/// `GET /api/v1/policies`: the current set.
pub async fn current(
    Shared(app): Shared<App>,
    _: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Set>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    set(&state, state.counters.policy_set)
}

/// `GET /api/v1/policies/{number}`.
pub async fn show(
    Shared(app): Shared<App>,
    _: Caller,
    Path(number): Path<u64>,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Set>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    set(&state, PolicyNumber(number))
}

fn set(state: &State, number: PolicyNumber) -> Result<Json<Set>, Error> {
    let found = state.policy_sets.get(&number);
    let set = found.ok_or_else(|| Error::NotFound(format!("there is no policy set {number}")))?;
    Ok(Json(Set {
        number: number.0,
        current: number == state.counters.policy_set,
        hash: set.hash.to_string(),
        text: set.text.clone(),
    }))
}

/// `GET /api/v1/decisions/{id}`: from the node that judged.
pub async fn decision(Shared(app): Shared<App>, _: Caller, Path(id): Path<String>) -> Result<Json<Verdict>, Error> {
    let id: DecisionId = id.parse().map_err(|error| Error::BadRequest(format!("{error}")))?;
    let found = app.call(|reply| Call::Decision(id, reply)).await?.map_err(Error::Unavailable)?;
    let gone = || Error::NotFound(format!("decision {id} is not among the last ones that its node keeps"));
    Ok(Json(policy::verdict(&found.ok_or_else(gone)?)))
}

/// `GET /api/v1/agents/{name}/why`.
pub async fn why_agent(
    Shared(app): Shared<App>,
    _: Caller,
    Path(name): Path<String>,
    Query(freshness): Query<Freshness>,
) -> Result<Json<WhyAgent>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
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
