//! Upgrades: how far one is, and its one step that cannot be undone.

use super::{App, Caller, Json, Query};
use crate::dto::agent::Written;
use crate::dto::upgrade::{self, Finalize, Upgrade};
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use symbi_model::{Command, State};
use symbi_policy::Administer;
use symbi_policy::new_actions::Unnamed;

/// `GET /api/v1/upgrade`.
pub async fn status(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Upgrade>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let upgrade = upgrade::upgrade(&state);
    let unnamed = unnamed(&state, upgrade.spoken)?;
    Ok(axum::Json(upgrade.with(unnamed)))
}

/// `POST /api/v1/upgrade/finalize` with a [`Finalize`]: opens the gate for good, once every member speaks it, and the current
/// policies name what it brings.
pub async fn finalize(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(Finalize { gate }): Json<Finalize>,
) -> Result<axum::Json<Written>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let act = Administer { principal: caller.principal(), what: "upgrade finalize" };
    let permit = app.ports.gate.judge(&state, act)?;
    // Who speaks what is for the state to say: it refuses a gate that this program does not know.
    let unnamed = unnamed(&state, gate.min(symbi_model::gate::spoken()))?;
    if !unnamed.is_empty() {
        return Err(Error::Unnamed(unnamed));
    }
    let command = Command::Finalize { gate, actor: caller.actor() };
    let committed = write::once(&app.ports, &app.pool, &headers, permit.reference(), command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}

/// The actions of the gates up to `gate` that the current policies do not name.
fn unnamed(state: &State, gate: u32) -> Result<Vec<Unnamed>, Error> {
    let text = state.policy_sets.get(&state.counters.policy_set).map_or("", |set| &set.text);
    symbi_policy::new_actions::unnamed(text, state.counters.gate, gate)
        .map_err(|error| Error::Internal(format!("the current policy set cannot be read: {error}")))
}
