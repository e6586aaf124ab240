//! The problem as the replicated state poses it.

use super::{Closed, Need, Offer, Previous, Problem};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::agent::{Agent, AgentState, Desired, Hold, Resources, Tier};
use symbi_model::node::{Liveness, Membership, Node};
use symbi_model::{NodeId, State};

/// What nodes say is used on them, by fresh views.
pub type Hints = BTreeMap<NodeId, Resources>;

/// What the leader's grants know of nodes beyond the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Nodes that have not asked for a grant for some seconds.
    pub silent: BTreeSet<NodeId>,
    /// Nodes that are condemned, whatever the state says yet.
    pub condemned: BTreeSet<NodeId>,
}

/// The problem, and what is held already.
#[must_use]
pub fn problem(state: &State, hints: &Hints, sight: &Sight) -> (Problem, Previous) {
    let mut problem = Problem::default();
    let mut previous = Previous::default();
    for (id, node) in &state.nodes {
        if node.membership != Membership::Removed {
            problem.nodes.insert(*id, offer(*id, node, hints, sight));
        }
    }
    for (name, agent) in &state.agents {
        if let Some(placement) = agent.placement.filter(|placement| placement.hold == Hold::Held) {
            previous.held.insert(name.clone(), (placement.node, agent.spec.resources));
        }
        if wanted(agent) {
            problem.wanted.insert(name.clone(), need(agent));
        }
    }
    (problem, previous)
}

/// What a node offers, and whether.
pub(super) fn offer(id: NodeId, node: &Node, hints: &Hints, sight: &Sight) -> Offer {
    let closed = if node.membership != Membership::Member {
        Some(Closed::NotMember(node.membership))
    } else if node.liveness == Liveness::Down || sight.condemned.contains(&id) {
        Some(Closed::Down)
    } else if sight.silent.contains(&id) {
        Some(Closed::Silent)
    } else {
        None
    };
    let used = hints.get(&id).copied().unwrap_or_default();
    Offer { allocatable: node.profile.allocatable, used, tiers: BTreeSet::from([Tier::Process]), closed }
}

/// What an agent needs.
pub(super) fn need(agent: &Agent) -> Need {
    Need { resources: agent.spec.resources, tier: agent.spec.tier }
}

/// Whether an agent should have a node: it is to run, and has not ended by its own restart policy.
pub(super) fn wanted(agent: &Agent) -> bool {
    agent.desired == Desired::Running && !ended(agent)
}

/// Whether its node has said, under its last epoch, that it ended and is not started again.
pub(super) fn ended(agent: &Agent) -> bool {
    let Some(status) = &agent.status else { return false };
    let last = agent.placement.map(|placement| placement.epoch);
    last == Some(status.epoch) && matches!(status.state, AgentState::Completed | AgentState::Failed)
}
