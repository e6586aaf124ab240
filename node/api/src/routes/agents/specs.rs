//! What is asked of agents that are there: another spec, the one of before, to run again, to be started anew.
//!
//! Each says of which version of the agent's record it was judged, or that it does not matter: a write that came between is not
//! overwritten unseen.

use super::super::{App, Caller, Json, Path, Query};
use super::find;
use crate::dto::agent::{Updated, Written};
use crate::dto::change::{changes, named};
use crate::dto::spec::Spec;
use crate::error::Error;
use crate::read::{self, Freshness};
use crate::write;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use serde::Deserialize;
use symbi_model::agent::{Agent, Recorded};
use symbi_model::command::{Aimed, UpdateAgent as Update};
use symbi_model::policy::PermitRef;
use symbi_model::{Command, Hash, Refusal, State};
use symbi_policy::{CreateAgent, Gate, UpdateAgent};

/// How an agent must be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct At {
    /// The version that its record must have. Default: whatever it has when this is read.
    version: Option<u64>,
}

/// How an agent must be, and whether it is changed at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateQuery {
    /// As [`At`] has it.
    version: Option<u64>,
    /// Only say what would change. Default: no.
    #[serde(default)]
    dry_run: bool,
}

/// `PUT /api/v1/agents/{name}/spec?version=N&dry_run=true` with a [`Spec`].
pub async fn update(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<UpdateQuery>,
    headers: HeaderMap,
    Json(spec): Json<Spec>,
) -> Result<axum::Json<Updated>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let agent = changeable(&app, &caller, &state, &name)?;
    let new = Recorded::from(spec.clone().into_model()?);
    if new.name != agent.spec.name || new.owner != agent.spec.owner {
        return Err(Refusal::Fixed.into());
    }
    let changes = changes(&Spec::from_recorded(&agent.spec), &spec);
    let judge = Judged::new(&caller, agent, new.clone());
    if query.dry_run || new == *agent.spec {
        // Who may not do it is not told what it would do.
        judge.permit(&app.ports.gate, &state)?;
        let index = state.counters.applied_index;
        return Ok(axum::Json(Updated { index, version: agent.version, changes, written: false }));
    }
    let aimed = aimed(agent, query.version, &caller)?;
    let version = agent.version + 1;
    let mac = state.spec_mac(&new);
    let command = Command::UpdateAgent(Update { aimed, spec: new, mac, changed: named(&changes) });
    let permit = |gate: &Gate, state: &State| judge.permit(gate, state);
    let committed = write::propose_judged(&app.ports, &app.pool, &headers, permit, command).await?;
    Ok(axum::Json(Updated { index: committed.index, version, changes, written: true }))
}

/// `POST /api/v1/agents/{name}/rollback?version=N`: gives it the spec that it had before its last update.
pub async fn rollback(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(At { version }): Query<At>,
    headers: HeaderMap,
) -> Result<axum::Json<Updated>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let agent = changeable(&app, &caller, &state, &name)?;
    let previous = agent.previous.as_ref().ok_or(Refusal::NoPrevious)?;
    let changes = changes(&Spec::from_recorded(&agent.spec), &Spec::from_recorded(previous));
    let judge = Judged::new(&caller, agent, (**previous).clone());
    let mac: Hash = state.spec_mac(previous);
    let command = Command::RollbackAgent { aimed: aimed(agent, version, &caller)?, mac };
    let permit = |gate: &Gate, state: &State| judge.permit(gate, state);
    let committed = write::propose_judged(&app.ports, &app.pool, &headers, permit, command).await?;
    Ok(axum::Json(Updated { index: committed.index, version: agent.version + 1, changes, written: true }))
}

/// `POST /api/v1/agents/{name}/start?version=N`: has it run that was stopped, or has ended.
pub async fn start(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(at): Query<At>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    again(&app, &caller, &name, at, &headers, Command::StartAgent).await
}

/// `POST /api/v1/agents/{name}/restart?version=N`: ends it, and starts it anew.
pub async fn restart(
    Shared(app): Shared<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(at): Query<At>,
    headers: HeaderMap,
) -> Result<axum::Json<Written>, Error> {
    again(&app, &caller, &name, at, &headers, Command::RestartAgent).await
}

async fn again(
    app: &App,
    caller: &Caller,
    name: &str,
    at: At,
    headers: &HeaderMap,
    command: fn(Aimed) -> Command,
) -> Result<axum::Json<Written>, Error> {
    let state = read::state(&app.ports, &Freshness::default()).await?;
    let agent = changeable(app, caller, &state, name)?;
    let act = change(caller, agent);
    let command = command(Aimed { version: at.version, ..any_version(agent, caller) });
    super::written(app, caller, headers, &act, command).await
}

/// The agent that `wanted` means, if the caller may change it.
fn changeable<'state>(app: &App, caller: &Caller, state: &'state State, wanted: &str) -> Result<&'state Agent, Error> {
    let gate = &app.ports.gate;
    gate.in_scope(state, &caller.principal(), "agent::update")?;
    let found = find(state, wanted).and_then(|agent| {
        gate.forestall(state, &change(caller, agent))?;
        Ok(agent)
    });
    found.map_err(|refusal| caller.told(gate, state, refusal))
}

/// The agent at the version that it must have; at the one that was read, if that does not matter.
fn aimed(agent: &Agent, version: Option<u64>, caller: &Caller) -> Result<Aimed, Error> {
    match version {
        Some(version) if version != agent.version => Err(Refusal::VersionMoved { current: agent.version }.into()),
        _ => Ok(Aimed { version: Some(agent.version), ..any_version(agent, caller) }),
    }
}

fn any_version(agent: &Agent, caller: &Caller) -> Aimed {
    Aimed { name: agent.spec.name.clone(), id: agent.id, version: None, actor: caller.actor() }
}

fn change(caller: &Caller, agent: &Agent) -> UpdateAgent {
    let (name, owner) = (agent.spec.name.clone(), agent.spec.owner.clone());
    UpdateAgent { principal: caller.principal(), name, owner }
}

/// An update is two acts: the agent that is there is changed, and one of the new spec comes to be.
struct Judged {
    /// What is done to the old.
    change: UpdateAgent,
    /// What comes to be. Its permit is the command's.
    create: CreateAgent,
}

impl Judged {
    fn new(caller: &Caller, agent: &Agent, spec: Recorded) -> Self {
        Self { change: change(caller, agent), create: CreateAgent { principal: caller.principal(), spec } }
    }

    /// The permit of both, by one policy set.
    fn permit(&self, gate: &Gate, state: &State) -> Result<PermitRef, Error> {
        let change = gate.judge(state, self.change.clone())?.reference();
        let create = gate.judge(state, self.create.clone())?.reference();
        debug_assert_eq!(change.policy_set, create.policy_set, "both were judged by one state");
        Ok(create)
    }
}
