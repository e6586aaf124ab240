//! What users ask of agents: recorded, stopped, removed, annotated.

use super::context::Context;
use crate::agent::{self, Agent, AgentName, AgentState, Desired, Hold, Placement, RESOURCES, SPEC_BYTES, Spec, Status};
use crate::codec;
use crate::ids::{AgentId, Epoch, Incarnation};
use crate::node;
use crate::outcome::{Outcome, Refusal};
use crate::state::Change;
use std::sync::Arc;

pub(super) fn create(context: &Context<'_>, id: AgentId, spec: &Spec, change: &mut Change) -> Result<Outcome, Refusal> {
    if context.state.agents.contains_key(&spec.name) {
        return Err(Refusal::NameTaken);
    }
    check_spec(spec)?;
    change.put_agent(Agent {
        id,
        spec: Arc::new(spec.clone()),
        desired: Desired::Running,
        placement: None,
        status: None,
        annotations: Default::default(),
        version: 1,
        created_at: context.index,
    });
    Ok(Outcome::Created { id })
}

fn check_spec(spec: &Spec) -> Result<(), Refusal> {
    let limit = |what: &str| Err(Refusal::Limit { what: what.to_owned() });
    if spec.name.as_str().parse::<AgentName>().is_err() {
        return limit("an agent's name is a DNS label");
    }
    if spec.max_in_flight == 0 {
        return limit("max_in_flight is at least 1");
    }
    if spec.command.is_empty() {
        return limit("an agent has a command");
    }
    if !spec.resources.fits(RESOURCES) {
        return limit("an agent's resources");
    }
    if !node::valid_labels(&spec.labels) || !node::valid_labels(&spec.require) {
        let (most, longest) = (node::LABELS, node::LABEL_BYTES);
        return Err(Refusal::Limit { what: format!("an agent has at most {most} labels of at most {longest} bytes") });
    }
    if codec::encode(spec).len() > SPEC_BYTES {
        return Err(Refusal::Limit { what: format!("a spec has at most {SPEC_BYTES} bytes") });
    }
    Ok(())
}

pub(super) fn stop(context: &Context<'_>, name: &AgentName, change: &mut Change) -> Result<Outcome, Refusal> {
    let agent = known(context, name)?;
    if agent.desired != Desired::Running {
        return Ok(Outcome::Done);
    }
    let mut agent = Agent { desired: Desired::Stopped, version: agent.version + 1, ..agent.clone() };
    if !is_held(&agent) {
        end(&mut agent, "stopped while no node ran it");
    }
    change.put_agent(agent);
    Ok(Outcome::Done)
}

pub(super) fn remove(context: &Context<'_>, name: &AgentName, change: &mut Change) -> Result<Outcome, Refusal> {
    let agent = known(context, name)?;
    if !is_held(agent) {
        change.delete_agent(name.clone());
    } else if agent.desired != Desired::Removed {
        change.put_agent(Agent { desired: Desired::Removed, version: agent.version + 1, ..agent.clone() });
    }
    Ok(Outcome::Done)
}

pub(super) fn annotate(
    context: &Context<'_>,
    name: &AgentName,
    key: &str,
    value: &str,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    let old = known(context, name)?;
    if key.is_empty() || key.len() > agent::ANNOTATION_KEY_BYTES {
        return Err(Refusal::Limit {
            what: format!("an annotation's key has 1 to {} bytes", agent::ANNOTATION_KEY_BYTES),
        });
    }
    if value.len() > agent::ANNOTATION_BYTES {
        return Err(Refusal::Limit { what: format!("an annotation has at most {} bytes", agent::ANNOTATION_BYTES) });
    }
    if old.annotations.len() >= agent::ANNOTATIONS && !old.annotations.contains_key(key) {
        return Err(Refusal::Limit { what: format!("an agent has at most {} annotations", agent::ANNOTATIONS) });
    }
    let mut agent = old.clone();
    agent.version += 1;
    agent.annotations.insert(key.to_owned(), value.to_owned());
    change.put_agent(agent);
    Ok(Outcome::Done)
}

/// The agent of this name.
pub(super) fn known<'a>(context: &Context<'a>, name: &AgentName) -> Result<&'a Agent, Refusal> {
    context.state.agents.get(name).ok_or(Refusal::NotFound)
}

/// Whether a node holds the agent's placement.
pub(super) fn is_held(agent: &Agent) -> bool {
    matches!(agent.placement, Some(Placement { hold: Hold::Held, .. }))
}

/// Says that the agent has ended, unless its node has said how; no node is left that could.
pub(super) fn end(agent: &mut Agent, detail: &str) {
    let (epoch, incarnation, restarts) = match &agent.status {
        Some(status) if is_final(status.state) => return,
        Some(status) => (status.epoch, status.incarnation, status.restarts),
        None => (agent.placement.map_or(Epoch(0), |placement| placement.epoch), Incarnation(0), 0),
    };
    let detail = detail.to_owned();
    agent.status = Some(Status { state: AgentState::Terminated, epoch, incarnation, restarts, detail });
}

fn is_final(state: AgentState) -> bool {
    matches!(state, AgentState::Completed | AgentState::Failed | AgentState::Terminated)
}
