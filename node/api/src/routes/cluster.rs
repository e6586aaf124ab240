//! Health, the cluster, its nodes and their removal, and the document that lists their credential keys.

use super::{App, Caller, Path, Query, leaderless};
use crate::dto::agent::Written;
use crate::dto::cluster::{self, Line, Quorum, Status};
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::Json;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use symbi_model::node::{Liveness, Membership};
use symbi_model::{Command, NodeId, State};
use symbi_policy::RemoveNode;

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
pub async fn status(Shared(app): Shared<App>, caller: Caller) -> Result<Json<Status>, Error> {
    let (state, view) = (app.ports.state.borrow().clone(), app.ports.view.borrow().clone());
    let witness = app.ports.witness.borrow().clone();
    caller.may_read(&app.ports.gate, &state)?;
    Ok(Json(cluster::status(&app.ports.node, &state, &view, &witness)))
}

/// `GET /api/v1/nodes`.
pub async fn nodes(
    Shared(app): Shared<App>,
    caller: Caller,
    Query(freshness): Query<Freshness>,
) -> Result<Json<Vec<Line>>, Error> {
    let state = leaderless::state(&app.ports, &freshness, caller.listener).await?;
    caller.may_read(&app.ports.gate, &state)?;
    let view = app.ports.view.borrow().clone();
    Ok(Json(cluster::nodes(&app.ports.node, &state, &view)))
}

/// `DELETE /api/v1/nodes/{name}`: by its whole name or id. Only of a node that is down, and while the
/// voters that are left are a majority of themselves.
pub async fn remove(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Written>, Error> {
    let known = app.ports.state.borrow().clone();
    app.ports.gate.in_scope(&known, &caller.principal(), "node::remove")?;
    // Before anything is asked of a leader: without a majority there is none to answer.
    if find(&known, &name).is_ok() {
        let node = removable(&app, &caller, &known, &name)?;
        keeps_quorum(&app, &known, &node)?;
    }
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let node = removable(&app, &caller, &state, &name)?;
    keeps_quorum(&app, &state, &node)?;
    let act = RemoveNode { principal: caller.principal(), node };
    let command = Command::RemoveNode { node, actor: caller.actor() };
    let committed = write::propose(&app.ports, &app.pool, &headers, &act, command).await?;
    Ok(Json(Written { index: committed.index }))
}

/// The node that `wanted` means, if the caller may remove it.
fn removable(app: &App, caller: &Caller, state: &State, wanted: &str) -> Result<NodeId, Error> {
    let gate = &app.ports.gate;
    let found = find(state, wanted).and_then(|node| {
        gate.forestall(state, &RemoveNode { principal: caller.principal(), node })?;
        Ok(node)
    });
    found.map_err(|refusal| caller.told(gate, state, refusal))
}

fn keeps_quorum(app: &App, state: &State, node: &NodeId) -> Result<(), Error> {
    if state.nodes.get(node).is_some_and(|record| record.liveness != Liveness::Down) {
        // It is refused for that.
        return Ok(());
    }
    let Quorum { voters, heard, survives } = cluster::quorum(&app.ports.node, &app.ports.view.borrow(), Some(node));
    match survives {
        Some(_) => Ok(()),
        None => Err(Error::AtRisk(format!(
            "without it only {heard} of {voters} voters would be heard, which is not a majority"
        ))),
    }
}

/// The node whose name or id is `wanted`. One that was removed has its id only.
fn find(state: &State, wanted: &str) -> Result<NodeId, Error> {
    let named = state.nodes.iter().find(|(_, node)| node.membership != Membership::Removed && node.name == wanted);
    let by_id = || wanted.parse().ok().filter(|id| state.nodes.contains_key(id));
    named.map(|(id, _)| *id).or_else(by_id).ok_or_else(|| Error::NotFound(format!("there is no node {wanted:?}")))
}
