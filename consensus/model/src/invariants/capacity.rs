//! No placement takes a node's reservations above what it offers. They may stand above it when a node has come back with
//! less; then nothing is added. And the index of reservations is what a count of the agents gives.

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
    let on = |agent: Option<&Agent>| {
        agent.filter(|agent| holder(agent) == Some(node)).map(|agent| agent.spec.resources).unwrap_or_default()
    };
    let (mut freed, mut taken) = (Resources::default(), Resources::default());
    for (name, agent) in &change.agents {
        freed = freed.plus(on(before.agents.get(name)));
        taken = taken.plus(on(agent.as_ref()));
    }
    let was = before.reserved(&node);
    let now = was.minus(freed).plus(taken);
    let record = change.nodes.iter().find(|(id, _)| *id == node).map(|(_, record)| record);
    let Some(offered) = record.or_else(|| before.nodes.get(&node)).map(|record| record.profile.allocatable) else {
        return false;
    };
    now.memory_mb <= offered.memory_mb.max(was.memory_mb) && now.cpu_millis <= offered.cpu_millis.max(was.cpu_millis)
}

fn holds(state: &State) -> bool {
    state.index_is_exact()
}

fn holder(agent: &Agent) -> Option<NodeId> {
    agent.placement.filter(|placement| placement.hold == Hold::Held).map(|placement| placement.node)
}
