//! What users ask of agents: recorded, stopped, removed, annotated.

use super::context::Context;
use crate::agent::{self, Agent, AgentName, AgentState, Desired, Hold, Placement, RESOURCES, SPEC_BYTES, Spec, Status};
use crate::codec;
use crate::ids::{AgentId, Epoch, Incarnation};
use crate::node;
use crate::outcome::{Limit, Outcome, Refusal};
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
    let limit = |limit, max: usize| Err(Refusal::Limit { limit, max: max as u64 });
    if spec.name.as_str().parse::<AgentName>().is_err() {
        return limit(Limit::AgentName, agent::NAME_BYTES);
    }
    if spec.max_in_flight == 0 {
        return limit(Limit::MaxInFlight, 1);
    }
    if spec.command.is_empty() {
        return limit(Limit::Command, 1);
    }
    if !spec.resources.fits(RESOURCES) {
        return Err(Refusal::Limit { limit: Limit::Resources, max: RESOURCES.memory_mb });
    }
    if !node::valid_labels(&spec.labels) || !node::valid_labels(&spec.require) {
        return limit(Limit::AgentLabels, node::LABELS);
    }
    if codec::encode(spec).len() > SPEC_BYTES {
        return limit(Limit::Spec, SPEC_BYTES);
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
        return Err(Refusal::Limit { limit: Limit::AnnotationKey, max: agent::ANNOTATION_KEY_BYTES as u64 });
    }
    if value.len() > agent::ANNOTATION_BYTES {
        return Err(Refusal::Limit { limit: Limit::AnnotationValue, max: agent::ANNOTATION_BYTES as u64 });
    }
    if old.annotations.len() >= agent::ANNOTATIONS && !old.annotations.contains_key(key) {
        return Err(Refusal::Limit { limit: Limit::Annotations, max: agent::ANNOTATIONS as u64 });
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
    let (state, detail) = (AgentState::Terminated, detail.to_owned());
    agent.status = Some(match &agent.status {
        Some(status) if is_final(status.state) => return,
        Some(status) => Status { state, detail, ..status.clone() },
        None => {
            let epoch = agent.placement.map_or(Epoch(0), |placement| placement.epoch);
            Status { state, epoch, incarnation: Incarnation(0), sequence: 0, restarts: 0, detail }
        }
    });
}

fn is_final(state: AgentState) -> bool {
    matches!(state, AgentState::Completed | AgentState::Failed | AgentState::Terminated)
}
