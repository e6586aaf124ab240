//! Health, the cluster, its nodes, and the document that lists their credential keys.

use super::{App, Caller, Query};
use crate::dto::cluster::{self, Line, Status};
use crate::error::Error;
use crate::read::{self, Freshness};
use axum::Json;
use axum::extract::State as Shared;
use serde_json::{Value, json};

/// `GET /health/live`: the process answers.
pub async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// `GET /health/ready`: 200 once this node serves, 503 while it joins or has no leader.
pub async fn ready(Shared(app): Shared<App>) -> Result<Json<Value>, Error> {
    match &app.ports.view.borrow().not_ready {
        None => Ok(Json(json!({ "status": "ready" }))),
        Some(reason) => Err(Error::Unavailable(reason.clone())),
    }
}

/// `GET /.well-known/agent-identity.json`: the public keys with which nodes issue credentials.
pub async fn identity(Shared(app): Shared<App>) -> Json<Value> {
    let state = app.ports.state.borrow().clone();
    Json(symbi_policy::credential::discovery_document(&state))
}

/// `GET /api/v1/cluster`: what the answering node has, and how old that is.
pub async fn status(Shared(app): Shared<App>, _: Caller) -> Json<Status> {
    let (state, view) = (app.ports.state.borrow().clone(), app.ports.view.borrow().clone());
    Json(cluster::status(&app.ports.node, &state, &view))
}

/// `GET /api/v1/nodes`.
pub async fn nodes(
    Shared(app): Shared<App>,
    _: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Vec<Line>>, Error> {
    let state = read::state(&app.ports, &freshness).await?;
    let view = app.ports.view.borrow().clone();
    Ok(Json(cluster::nodes(&app.ports.node, &state, &view)))
}
