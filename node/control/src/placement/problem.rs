//! The problem as the replicated state poses it.

use super::{Closed, Need, Offer, Previous, Problem};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use symbi_model::agent::{Agent, Desired, Hold, Resources};
use symbi_model::node::{Liveness, Membership, Node};
use symbi_model::{NodeId, State};

/// What nodes say is used on their machines, by fresh views.
pub type Hints = BTreeMap<NodeId, Resources>;

/// What the leader's grants know of nodes beyond the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Nodes that have not asked for a grant for some seconds.
    pub silent: BTreeSet<NodeId>,
    /// Nodes that this leader has declared down, whatever the state says yet.
    pub down: BTreeSet<NodeId>,
}

/// The problem, and what is held already.
#[must_use]
pub fn problem(state: &State, hints: &Hints, health: &Health) -> (Problem, Previous) {
    let mut problem = Problem { nodes: offers(state, hints, health), ..Problem::default() };
    let mut previous = Previous::default();
    for (name, agent) in &state.agents {
        if let Some(placement) = agent.placement.filter(|placement| placement.hold == Hold::Held) {
            previous.held.insert(name.clone(), (placement.node, placement.reserved));
        }
        if wanted(agent) {
            problem.wanted.insert(name.clone(), need(agent));
        }
    }
    (problem, previous)
}

/// What each node that is not removed offers, and whether.
pub(super) fn offers(state: &State, hints: &Hints, health: &Health) -> BTreeMap<NodeId, Offer> {
    let machines = machines(state, hints);
    let present = state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    present.map(|(id, node)| (*id, offer(*id, node, &machines, health))).collect()
}

/// What is used on each machine: nodes of one address share it, and the most that one of them says counts for all. What two
/// of them measured a moment apart must not decide between them.
fn machines(state: &State, hints: &Hints) -> BTreeMap<IpAddr, Resources> {
    let mut machines: BTreeMap<IpAddr, Resources> = BTreeMap::new();
    for (id, used) in hints {
        let Some(node) = state.nodes.get(id) else { continue };
        let most = machines.entry(node.profile.addr.ip()).or_default();
        most.memory_mb = most.memory_mb.max(used.memory_mb);
        most.cpu_millis = most.cpu_millis.max(used.cpu_millis);
    }
    machines
}

fn offer(id: NodeId, node: &Node, machines: &BTreeMap<IpAddr, Resources>, health: &Health) -> Offer {
    let closed = if node.membership != Membership::Member {
        Some(Closed::NotMember(node.membership))
    } else if node.liveness == Liveness::Down || health.down.contains(&id) {
        Some(Closed::Down)
    } else if node.liveness == Liveness::Leaving {
        Some(Closed::Leaving)
    } else if health.silent.contains(&id) {
        Some(Closed::Silent)
    } else {
        None
    };
    let profile = &node.profile;
    Offer {
        name: node.name.clone(),
        allocatable: profile.allocatable,
        max_agents: profile.max_agents,
        used: machines.get(&profile.addr.ip()).copied(),
        tiers: profile.tiers.clone(),
        labels: profile.labels.clone(),
        closed,
    }
}

/// What an agent needs.
pub(super) fn need(agent: &Agent) -> Need {
    let spec = &agent.spec;
    Need {
        resources: spec.resources,
        tier: spec.tier,
        require: spec.require.clone(),
        strategy: spec.strategy,
        priority: spec.priority,
        back_to: agent.placement.filter(|placement| placement.ends).map(|placement| placement.node),
    }
}

/// Whether an agent should have a node: it is to run, and has not ended by its own restart policy.
pub(super) fn wanted(agent: &Agent) -> bool {
    agent.desired == Desired::Running && !agent.has_ended()
}
