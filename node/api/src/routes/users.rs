//! Users: made, listed, removed.

use super::{App, Caller, Json, Path, Query};
use crate::dto::agent::Written;
use crate::dto::user::{Create, Line};
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use symbi_model::{Command, State};
use symbi_policy::Administer;

/// `GET /api/v1/users`.
pub async fn list(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Vec<Line>>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    let _permit = app.ports.gate.judge(&state, Administer { principal: caller.principal(), what: "user ls" })?;
    let lines = state.users.iter().map(|(name, user)| Line {
        name: name.clone(),
        groups: app.ports.gate.groups(&state, name),
        tokens: state.api_tokens_of(name).count(),
        created_by: user.created_by.clone(),
        created_ms: user.created_ms,
    });
    Ok(axum::Json(lines.collect()))
}

/// `POST /api/v1/users` with a [`Create`].
pub async fn create(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(Create { name }): Json<Create>,
) -> Result<axum::Json<Written>, Error> {
    let act = Administer { principal: caller.principal(), what: "user add" };
    let command = Command::CreateUser { name, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}

/// `DELETE /api/v1/users/{name}`: with every API token of the user. Only while another user is left who can change the policies.
pub async fn remove(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    let (state, gate) = (read::state(&app.ports, &Freshness::default()).await?, &app.ports.gate);
    let permit = gate.judge(&state, Administer { principal: caller.principal(), what: "user rm" })?;
    if !state.users.contains_key(&name) {
        return Err(Error::NotFound(format!("there is no user {name:?}")));
    }
    let keeper = gate.keeper(&without(&state, &name))?;
    let command = Command::RemoveUser { name, keeper, actor: caller.actor() };
    let committed = write::once(&app.ports, &app.pool, &headers, permit.reference(), command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}

/// The state once a user has gone.
fn without(state: &State, name: &str) -> State {
    let mut without = state.clone();
    without.users.remove(name);
    without
}
