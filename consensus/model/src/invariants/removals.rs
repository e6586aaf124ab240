//! An agent that is to be removed is there only while a node holds its placement.

use super::Invariant;
use crate::agent::{Agent, Desired, Hold};
use crate::state::{Change, State};

pub(super) const INVARIANT: Invariant = Invariant { name: "removals", after, holds };

fn after(_: &State, change: &Change) -> bool {
    change.agents.iter().filter_map(|(_, agent)| agent.as_ref()).all(is_due)
}

fn holds(state: &State) -> bool {
    state.agents.values().all(is_due)
}

fn is_due(agent: &Agent) -> bool {
    agent.desired != Desired::Removed || agent.placement.is_some_and(|placement| placement.hold == Hold::Held)
}
