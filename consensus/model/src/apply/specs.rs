//! What users ask of agents that are there: another spec, the one of before, to run again, to be started anew.
//!
//! A running agent is never changed under its node's hands. Its placement is marked as one that ends; its node ends the process and
//! releases it, as for a stop, and the agent is placed anew under a higher epoch, by the spec that is in force by then. What
//! it reserves until it is released is what it was placed with.

use super::context::Context;
use crate::agent::{self, Agent, AgentName, Desired, OWNER_BYTES, Placement, RESOURCES, Recorded, SPEC_BYTES};
use crate::command::{Aimed, UpdateAgent};
use crate::hash::Hash;
use crate::node;
use crate::outcome::{Limit, Outcome, Refusal};
use crate::state::Change;
use std::sync::Arc;

/// The bounds of a spec, as far as it is typed, and whether the hash that the audit names it by is its own.
pub(super) fn check(context: &Context<'_>, spec: &Recorded, mac: &Hash) -> Result<(), Refusal> {
    let limit = |limit, max: usize| Err(Refusal::Limit { limit, max: max as u64 });
    if spec.name.as_str().parse::<AgentName>().is_err() {
        return limit(Limit::AgentName, agent::NAME_BYTES);
    }
    if !spec.resources.fits(RESOURCES) {
        return Err(Refusal::Limit { limit: Limit::Resources, max: RESOURCES.memory_mb });
    }
    if !node::valid_labels(&spec.labels) || !node::valid_labels(&spec.require) {
        return limit(Limit::AgentLabels, node::LABELS);
    }
    if spec.document.as_bytes().len() > SPEC_BYTES || spec.owner.len() > OWNER_BYTES {
        return limit(Limit::Spec, SPEC_BYTES);
    }
    if context.state.spec_mac(spec) != *mac {
        return Err(Refusal::SpecHash);
    }
    Ok(())
}

pub(super) fn update(context: &Context<'_>, update: &UpdateAgent, change: &mut Change) -> Result<Outcome, Refusal> {
    let old = aimed(context, &update.aimed)?;
    if update.spec.name != old.spec.name || update.spec.owner != old.spec.owner {
        return Err(Refusal::Fixed);
    }
    check(context, &update.spec, &update.mac)?;
    if update.spec == *old.spec {
        return Ok(Outcome::Done);
    }
    let agent = Agent {
        spec: Arc::new(update.spec.clone()),
        previous: Some(Arc::clone(&old.spec)),
        version: old.version + 1,
        ..old.clone()
    };
    change.put_agent(if old.desired == Desired::Running { anew(agent) } else { agent });
    Ok(Outcome::Done)
}

pub(super) fn rollback(context: &Context<'_>, at: &Aimed, mac: &Hash, change: &mut Change) -> Result<Outcome, Refusal> {
    let old = aimed(context, at)?;
    let previous = old.previous.as_ref().ok_or(Refusal::NoPrevious)?;
    check(context, previous, mac)?;
    let agent = Agent {
        spec: Arc::clone(previous),
        previous: Some(Arc::clone(&old.spec)),
        version: old.version + 1,
        ..old.clone()
    };
    change.put_agent(if old.desired == Desired::Running { anew(agent) } else { agent });
    Ok(Outcome::Done)
}

pub(super) fn start(context: &Context<'_>, at: &Aimed, change: &mut Change) -> Result<Outcome, Refusal> {
    let old = aimed(context, at)?;
    if old.desired == Desired::Running && !old.has_ended() {
        return Ok(Outcome::Done);
    }
    change.put_agent(anew(Agent { desired: Desired::Running, version: old.version + 1, ..old.clone() }));
    Ok(Outcome::Done)
}

pub(super) fn restart(context: &Context<'_>, at: &Aimed, change: &mut Change) -> Result<Outcome, Refusal> {
    let old = aimed(context, at)?;
    if old.desired != Desired::Running {
        return Err(Refusal::NotWanted);
    }
    change.put_agent(anew(Agent { version: old.version + 1, ..old.clone() }));
    Ok(Outcome::Done)
}

/// The agent that is meant, if it is as it must be.
fn aimed<'a>(context: &Context<'a>, at: &Aimed) -> Result<&'a Agent, Refusal> {
    let agent = context.agent(&at.name)?;
    if agent.id != at.id || agent.desired == Desired::Removed {
        return Err(Refusal::NotFound);
    }
    match at.version {
        Some(version) if version != agent.version => Err(Refusal::VersionMoved { current: agent.version }),
        _ => Ok(agent),
    }
}

/// The agent as it is to be started anew.
fn anew(agent: Agent) -> Agent {
    let placement = agent.placement.map(|placement| Placement { ends: true, ..placement });
    let_go(Agent { placement, ..agent })
}

/// Forgets what was said of a placement that was to end and has ended: how it ended does not say whether the agent is to run.
pub(super) fn let_go(agent: Agent) -> Agent {
    let ends = agent.placement.is_none_or(|placement| placement.ends) && !agent.is_held();
    if ends && agent.desired == Desired::Running { Agent { status: None, ..agent } } else { agent }
}
