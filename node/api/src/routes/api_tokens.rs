//! API tokens: made, listed, revoked.

use super::{App, Caller, Json, Path, Query};
use crate::dto::agent::Written;
use crate::dto::api_token::{self, Create, Created, Line};
use crate::dto::token::DAY_MS;
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use std::collections::BTreeSet;
use symbi_model::command::CreateApiToken;
use symbi_model::token::Scope;
use symbi_model::{ApiTokenId, Command, Hash, State};
use symbi_policy::{ADMINISTER, Administer};

/// The longest life of a token that ends at all, ms: ten years.
const MAX_TTL_MS: u64 = 3_650 * DAY_MS;

/// `GET /api/v1/api-tokens`.
pub async fn list(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Vec<Line>>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    let _permit = app.ports.gate.judge(&state, Administer { principal: caller.principal(), what: "api-token ls" })?;
    let now_ms = (app.ports.wall_ms)();
    let tokens = state.users.keys().flat_map(|user| state.api_tokens_of(user));
    Ok(axum::Json(tokens.map(|token| api_token::line(token, now_ms)).collect()))
}

/// `POST /api/v1/api-tokens` with a [`Create`]. A token cannot make one that is good for more than itself.
pub async fn create(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(Create { user, scope, ttl_ms }): Json<Create>,
) -> Result<axum::Json<Created>, Error> {
    if headers.contains_key(write::KEY_HEADER) {
        let what =
            "an API token has a new text each time, so this takes no Idempotency-Key; revoke those you do not need";
        return Err(Error::BadRequest(what.to_owned()));
    }
    if ttl_ms.is_some_and(|ttl_ms| !(1_000..=MAX_TTL_MS).contains(&ttl_ms)) {
        return Err(Error::BadRequest("ttl_ms: 1 s to ten years, or null for ever".to_owned()));
    }
    let (state, gate) = (app.ports.state.borrow().clone(), &app.ports.gate);
    let wanted = wanted(&app, scope.as_ref())?;
    gate.may_hand_on(&state, &caller.principal(), &wanted)?;
    let text = format!("symbi-token-{}", hex::encode(rand::random::<[u8; 32]>()));
    let hash = Hash::of(&[text.as_bytes()]);
    let expires_ms = ttl_ms.map(|ttl_ms| (app.ports.wall_ms)().saturating_add(ttl_ms));
    let act = Administer { principal: caller.principal(), what: "api-token create" };
    let made = CreateApiToken { hash, user: user.clone(), scope: wanted, expires_ms, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, Command::CreateApiToken(made)).await?;
    let id = ApiTokenId::of(&hash).to_string();
    Ok(axum::Json(Created { id, token: text, user, scope, expires_ms, index: committed.index }))
}

/// The scope that is asked for, if all of it is there.
fn wanted(app: &App, scope: Option<&BTreeSet<String>>) -> Result<Scope, Error> {
    let Some(actions) = scope else { return Ok(Scope::All) };
    let known = app.ports.gate.actions();
    let is_known = |action: &&String| *action == ADMINISTER || known.contains(action);
    match actions.iter().find(|action| !is_known(action)) {
        Some(action) => Err(Error::BadRequest(format!(
            "scope: there is no action {action:?}; it takes {} and {ADMINISTER}",
            known.join(", ")
        ))),
        None if actions.is_empty() => Err(Error::BadRequest("scope: at least one action".to_owned())),
        None => Ok(Scope::Actions(actions.clone())),
    }
}

/// `DELETE /api/v1/api-tokens/{id}`: by its whole id. Only while a user is left who can change the policies.
pub async fn revoke(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    let (state, gate) = (read::state(&app.ports, &Freshness::default()).await?, &app.ports.gate);
    let permit = gate.judge(&state, Administer { principal: caller.principal(), what: "api-token revoke" })?;
    let known = id.parse().ok().and_then(|id: ApiTokenId| state.api_token(id)).map(|token| token.hash);
    let token = known.ok_or_else(|| Error::NotFound(format!("there is no API token {id:?}")))?;
    let keeper = gate.keeper(&without(&state, &token))?;
    let command = Command::RevokeApiToken { token, keeper, actor: caller.actor() };
    let committed = write::once(&app.ports, &app.pool, &headers, permit.reference(), command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}

/// The state once a token has gone.
fn without(state: &State, token: &Hash) -> State {
    let mut without = state.clone();
    without.api_tokens.remove(token);
    without
}
