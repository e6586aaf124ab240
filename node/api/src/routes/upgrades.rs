//! Upgrades: how far one is, and its one step that cannot be undone.

use super::{App, Caller, Json, Query};
use crate::dto::agent::Written;
use crate::dto::upgrade::{self, Finalize, Upgrade};
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use symbi_model::Command;
use symbi_policy::Administer;

/// `GET /api/v1/upgrade`.
pub async fn status(
    Shared(app): Shared<App>,
    _: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Upgrade>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    Ok(axum::Json(upgrade::upgrade(&state)))
}

/// `POST /api/v1/upgrade/finalize` with a [`Finalize`]: opens the gate for good, once every member speaks it.
pub async fn finalize(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(Finalize { gate }): Json<Finalize>,
) -> Result<axum::Json<Written>, Error> {
    let act = Administer { principal: caller.principal(), what: "upgrade finalize" };
    let command = Command::Finalize { gate, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}
