//! Join tokens: made, listed, revoked.

use super::{App, Caller, Json, Path, Query};
use crate::dto::agent::Written;
use crate::dto::token::{self, Create, Created, DAY_MS, Line};
use crate::error::Error;
use crate::keys::Pool;
use crate::ports::Ports;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use symbi_model::command::CreateToken;
use symbi_model::{Command, TokenId};
use symbi_policy::Administer;
use symbi_proto::token::JoinToken;

/// The most joins of one token.
const MAX_USES: u32 = 1_000;
/// The longest life of a token, ms: 90 days.
const MAX_TTL_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// `GET /api/v1/tokens`.
pub async fn list(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<axum::Json<Vec<Line>>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    let _permit = app.ports.gate.judge(&state, Administer { principal: caller.principal(), what: "token ls" })?;
    let now = (app.ports.wall_ms)();
    Ok(axum::Json(state.join_tokens.iter().map(|(id, record)| token::line(id, record, now)).collect()))
}

/// `POST /api/v1/tokens` with a [`Create`].
pub async fn create(
    Shared(app): Shared<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(create): Json<Create>,
) -> Result<axum::Json<Created>, Error> {
    if headers.contains_key(write::KEY_HEADER) {
        let what =
            "a join token has a new secret each time, so this takes no Idempotency-Key; revoke those you do not need";
        return Err(Error::BadRequest(what.to_owned()));
    }
    mint(&app.ports, &app.pool, &headers, &caller, create).await.map(axum::Json)
}

/// Makes the first join token of a new cluster, for its admin, by the same way as any other.
///
/// # Errors
/// The refusal, or why there is no outcome.
pub async fn first(ports: &Ports) -> Result<Created, Error> {
    let create = Create { uses: 1, ttl_ms: DAY_MS };
    mint(ports, &Pool::default(), &HeaderMap::new(), &Caller::node_itself(), create).await
}

async fn mint(
    ports: &Ports,
    pool: &Pool,
    headers: &HeaderMap,
    caller: &Caller,
    create: Create,
) -> Result<Created, Error> {
    if !(1..=MAX_USES).contains(&create.uses) {
        return Err(Error::BadRequest(format!("uses: 1 to {MAX_USES}")));
    }
    if !(1_000..=MAX_TTL_MS).contains(&create.ttl_ms) {
        return Err(Error::BadRequest("ttl: 1 s to 90 days".to_owned()));
    }
    let state = ports.state.borrow().clone();
    let cluster = state.cluster.as_ref();
    let cluster = cluster.ok_or_else(|| Error::Unavailable("the cluster does not exist yet".to_owned()))?;
    let join = JoinToken::new(&cluster.name, cluster.id, TokenId(rand::random()), rand::random());
    let expires_ms = (ports.wall_ms)() + create.ttl_ms;
    let command = Command::CreateToken(CreateToken {
        token: join.id,
        verifier: join.verifier(),
        uses: create.uses,
        expires_ms,
        actor: caller.actor(),
    });
    let act = Administer { principal: caller.principal(), what: "token create" };
    let committed = write::propose(ports, pool, headers, &act, command).await?;
    let text = join.to_string();
    let join_command = format!("symbi-node --join {} --token {text} --data-dir DIR", ports.advertise);
    Ok(Created { id: join.id.to_string(), token: text, expires_ms, join_command, index: committed.index })
}

/// `DELETE /api/v1/tokens/{id}`.
pub async fn revoke(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let act = Administer { principal: caller.principal(), what: "token revoke" };
    app.ports.gate.forestall(&state, &act)?;
    let known = id.parse().ok().filter(|token: &TokenId| state.join_tokens.contains_key(token));
    let token = known.ok_or_else(|| Error::NotFound(format!("there is no join token {id:?}")))?;
    let command = Command::RevokeToken { token, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, command).await?;
    Ok(axum::Json(Written { index: committed.index }))
}
