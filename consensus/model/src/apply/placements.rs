//! Placements: given by a leader, held by a node, and ended by that node's word or by its condemnation.

use super::agents;
use super::context::Context;
use super::nodes;
use super::specs;
use crate::agent::{self, Agent, AgentName, Desired, Hold, Placement, Recorded, Status};
use crate::command::Report;
use crate::ids::{AgentId, Epoch, NodeId};
use crate::node::{Liveness, Membership, Node};
use crate::outcome::{Lack, Limit, Outcome, Refusal};
use crate::state::Change;

/// The parts of a `Place`.
pub(super) struct Wanted<'a> {
    /// The agent's name.
    pub(super) name: &'a AgentName,
    /// Its id.
    pub(super) id: AgentId,
    /// The epoch it must still have.
    pub(super) expected: Option<Epoch>,
    /// Where to.
    pub(super) node: NodeId,
}

pub(super) fn place(context: &Context<'_>, wanted: &Wanted<'_>, change: &mut Change) -> Result<Outcome, Refusal> {
    let agent = context.agent(wanted.name)?;
    if agent.id != wanted.id {
        return Err(Refusal::NotFound);
    }
    if agent.desired != Desired::Running {
        return Err(Refusal::NotWanted);
    }
    if agent.placement.map(|placement| placement.epoch) != wanted.expected {
        return Err(Refusal::StaleEpoch);
    }
    if agent.is_held() {
        return Err(Refusal::StillHeld);
    }
    let node = context.state.nodes.get(&wanted.node).ok_or(Refusal::NodeUnavailable)?;
    match (node.membership, node.liveness) {
        (Membership::Member, Liveness::Up) => {}
        (Membership::Member, Liveness::Leaving) => return Err(Refusal::NodeLeaving),
        _ => return Err(Refusal::NodeUnavailable),
    }
    check_suits(&agent.spec, node)?;
    let reserved = context.state.reserved(&wanted.node).plus(agent.spec.resources);
    let agents = context.state.held_count(&wanted.node) + 1;
    if !reserved.fits(node.profile.allocatable) || agents > node.profile.max_agents as usize {
        return Err(Refusal::NoRoom);
    }
    let epoch = next_epoch(context, change);
    let placement = Placement::held(wanted.node, epoch, context.index, agent.spec.resources);
    change.put_agent(Agent { placement: Some(placement), status: None, ..agent.clone() });
    Ok(Outcome::Placed { epoch })
}

/// Whether the node has what the spec asks for beside room.
fn check_suits(spec: &Recorded, node: &Node) -> Result<(), Refusal> {
    if !node.profile.tiers.contains(&spec.tier) {
        return Err(Refusal::Unsuitable { lacks: Lack::tier(spec.tier) });
    }
    match spec.require.iter().find(|label| !node.profile.labels.contains(*label)) {
        Some(label) => Err(Refusal::Unsuitable { lacks: Lack::Label(label.clone()) }),
        None => Ok(()),
    }
}

fn next_epoch(context: &Context<'_>, change: &mut Change) -> Epoch {
    change.counters.last_epoch += 1;
    let generation = context.state.cluster.as_ref().map_or(0, |cluster| cluster.generation);
    Epoch::of(generation, change.counters.last_epoch)
}

pub(super) fn report(context: &Context<'_>, report: &Report, change: &mut Change) -> Result<Outcome, Refusal> {
    let old = context.agent(&report.name)?;
    let placement = old.placement.ok_or(Refusal::StaleEpoch)?;
    if placement.epoch != report.epoch || placement.node != context.origin || overtaken(old, &placement, report) {
        return Err(Refusal::StaleEpoch);
    }
    let account = report.account.as_ref().map_or(0, |account| account.as_bytes().len());
    if report.detail.len() > agent::DETAIL_BYTES || account > agent::DETAIL_BYTES {
        return Err(Refusal::Limit { limit: Limit::Report, max: agent::DETAIL_BYTES as u64 });
    }
    let hold = if report.released { Hold::Released } else { placement.hold };
    let status = Status {
        state: report.state,
        epoch: report.epoch,
        incarnation: report.incarnation,
        sequence: report.sequence,
        restarts: report.restarts,
        detail: report.detail.clone(),
        account: report.account.clone(),
    };
    let agent = Agent { placement: Some(Placement { hold, ..placement }), status: Some(status), ..old.clone() };
    write_or_remove(agent, old, change);
    Ok(Outcome::Done)
}

/// Whether something later was said under the same epoch: its release, a later incarnation, or a later report of this one. A
/// release is the last word on an incarnation whatever its number: a node that has started anew numbers afresh.
fn overtaken(agent: &Agent, placement: &Placement, report: &Report) -> bool {
    if report.released {
        return agent.status.as_ref().is_some_and(|status| status.incarnation > report.incarnation);
    }
    let said = |status: &Status| (status.incarnation, status.sequence) > (report.incarnation, report.sequence);
    placement.hold == Hold::Released || agent.status.as_ref().is_some_and(said)
}

pub(super) fn node_down(context: &Context<'_>, node: NodeId, change: &mut Change) -> Result<Outcome, Refusal> {
    let record = nodes::known(context, node)?;
    if record.membership == Membership::Removed {
        return Err(Refusal::NotFound);
    }
    if record.liveness != Liveness::Down {
        change.nodes.push((node, Node { liveness: Liveness::Down, ..record.clone() }));
    }
    for name in context.state.held_by(&node) {
        let old = context.agent(name)?;
        let lost = old.placement.map(|placement| Placement { hold: Hold::Lost, ..placement });
        let mut agent = Agent { placement: lost, ..old.clone() };
        if agent.desired == Desired::Stopped {
            agents::end(&mut agent, "its node was lost while it was being stopped");
        }
        write_or_remove(agent, old, change);
    }
    Ok(Outcome::Done)
}

/// Writes the record if it changed; or deletes it, if it was only kept until its placement would end.
fn write_or_remove(agent: Agent, old: &Agent, change: &mut Change) {
    let agent = specs::let_go(agent);
    if agent.desired == Desired::Removed && !agent.is_held() {
        change.delete_agent(agent.spec.name.clone());
    } else if agent != *old {
        change.put_agent(agent);
    }
}
