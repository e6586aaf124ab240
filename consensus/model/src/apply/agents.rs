//! What users ask of agents: recorded, stopped, removed, annotated.

use super::context::Context;
use super::specs;
use crate::agent::{self, Agent, AgentName, AgentState, Desired, Recorded, Status};
use crate::hash::Hash;
use crate::ids::{AgentId, Epoch, Incarnation};
use crate::outcome::{Limit, Outcome, Refusal};
use crate::state::Change;
use std::sync::Arc;

pub(super) fn create(
    context: &Context<'_>,
    id: AgentId,
    spec: &Recorded,
    mac: &Hash,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    if context.state.agents.contains_key(&spec.name) {
        return Err(Refusal::NameTaken);
    }
    specs::check(context, spec, mac)?;
    change.put_agent(Agent::new(id, Arc::new(spec.clone()), context.index));
    Ok(Outcome::Created { id })
}

pub(super) fn stop(context: &Context<'_>, name: &AgentName, change: &mut Change) -> Result<Outcome, Refusal> {
    let agent = context.agent(name)?;
    if agent.desired != Desired::Running {
        return Ok(Outcome::Done);
    }
    let mut agent = Agent { desired: Desired::Stopped, version: agent.version + 1, ..agent.clone() };
    if !agent.is_held() {
        end(&mut agent, "stopped while no node ran it");
    }
    change.put_agent(agent);
    Ok(Outcome::Done)
}

pub(super) fn remove(context: &Context<'_>, name: &AgentName, change: &mut Change) -> Result<Outcome, Refusal> {
    let agent = context.agent(name)?;
    if !agent.is_held() {
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
    let old = context.agent(name)?;
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

/// Says that the agent has ended, unless its node has said how; no node is left that could.
pub(super) fn end(agent: &mut Agent, detail: &str) {
    let (state, detail) = (AgentState::Terminated, detail.to_owned());
    agent.status = Some(match &agent.status {
        Some(status) if is_final(status.state) => return,
        Some(status) => Status { state, detail, ..status.clone() },
        None => {
            let epoch = agent.placement.map_or(Epoch(0), |placement| placement.epoch);
            Status { state, epoch, incarnation: Incarnation(0), sequence: 0, restarts: 0, detail, account: None }
        }
    });
}

fn is_final(state: AgentState) -> bool {
    matches!(state, AgentState::Completed | AgentState::Failed | AgentState::Terminated)
}
