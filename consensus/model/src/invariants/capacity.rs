//! No placement takes a node's reservations, or its number of agents, above what it offers. They may stand above it when a
//! node has come back with less; then nothing is added. And the index of reservations is what a count of the agents gives.

use super::Invariant;
use crate::agent::{Agent, Hold, Resources};
use crate::ids::NodeId;
use crate::state::{Change, State};

pub(super) const INVARIANT: Invariant = Invariant { name: "capacity", after, holds };

fn after(before: &State, change: &Change) -> bool {
    let nodes = change.agents.iter().filter_map(|(_, agent)| holder(agent.as_ref()?));
    nodes.into_iter().all(|node| fits(before, change, node))
}

fn fits(before: &State, change: &Change, node: NodeId) -> bool {
    let on =
        |agent: Option<&Agent>| agent.filter(|agent| holder(agent) == Some(node)).map(reserved).unwrap_or_default();
    let counts = |agent: Option<&Agent>| usize::from(agent.is_some_and(|agent| holder(agent) == Some(node)));
    let (mut freed, mut taken) = (Resources::default(), Resources::default());
    let (mut gone, mut come) = (0, 0);
    for (name, agent) in &change.agents {
        let old = before.agents.get(name);
        freed = freed.plus(on(old));
        taken = taken.plus(on(agent.as_ref()));
        gone += counts(old);
        come += counts(agent.as_ref());
    }
    let was = before.reserved(&node);
    let now = was.minus(freed).plus(taken);
    let record = change.nodes.iter().find(|(id, _)| *id == node).map(|(_, record)| record);
    let Some(profile) = record.or_else(|| before.nodes.get(&node)).map(|record| &record.profile) else {
        return false;
    };
    let offered = profile.allocatable;
    let were = before.held_count(&node);
    if were - gone + come > (profile.max_agents as usize).max(were) {
        return false;
    }
    now.memory_mb <= offered.memory_mb.max(was.memory_mb) && now.cpu_millis <= offered.cpu_millis.max(was.cpu_millis)
}

fn holds(state: &State) -> bool {
    state.index_is_exact()
}

fn holder(agent: &Agent) -> Option<NodeId> {
    agent.placement.filter(|placement| placement.hold == Hold::Held).map(|placement| placement.node)
}

/// What the agent's placement reserves.
fn reserved(agent: &Agent) -> Resources {
    agent.placement.map(|placement| placement.reserved).unwrap_or_default()
}
