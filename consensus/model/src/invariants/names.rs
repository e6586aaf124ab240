//! Node names are unique among nodes that are not removed, and an agent is kept under its own name.

use super::Invariant;
use crate::ids::NodeId;
use crate::node::{Membership, Node};
use crate::state::{Change, State};
use std::collections::BTreeSet;

pub(super) const INVARIANT: Invariant = Invariant { name: "names", after, holds };

fn after(before: &State, change: &Change) -> bool {
    let agents = change.agents.iter().all(|(name, agent)| agent.as_ref().is_none_or(|agent| agent.spec.name == *name));
    agents && change.nodes.iter().all(|(id, node)| is_alone(before, change, *id, node))
}

fn is_alone(before: &State, change: &Change, id: NodeId, node: &Node) -> bool {
    if node.membership == Membership::Removed {
        return true;
    }
    let same = |other: &Node| other.membership != Membership::Removed && other.name == node.name;
    let changed = |other: &NodeId| change.nodes.iter().any(|(changed, _)| changed == other);
    let in_change = change.nodes.iter().any(|(other, record)| *other != id && same(record));
    !in_change && !before.nodes.iter().any(|(other, record)| *other != id && !changed(other) && same(record))
}

fn holds(state: &State) -> bool {
    let mut seen = BTreeSet::new();
    let mut nodes = state.nodes.values().filter(|node| node.membership != Membership::Removed);
    let unique = nodes.all(|node| seen.insert(&node.name));
    unique && state.agents.iter().all(|(name, agent)| agent.spec.name == *name)
}
