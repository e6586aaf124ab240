//! No two placements have one epoch, and none is above the counter: an epoch that an agent did not have before is above
//! the counter before, at most the counter after, and given once.

use super::Invariant;
use crate::agent::Agent;
use crate::ids::Epoch;
use crate::state::{Change, State};
use std::collections::BTreeSet;

pub(super) const INVARIANT: Invariant = Invariant { name: "epochs", after, holds };

fn after(before: &State, change: &Change) -> bool {
    let mut given = BTreeSet::new();
    change.agents.iter().all(|(name, agent)| {
        let new = agent.as_ref().and_then(epoch);
        let Some(new) = new.filter(|_| new != before.agents.get(name).and_then(epoch)) else { return true };
        let range = before.counters.last_epoch + 1..=change.counters.last_epoch;
        range.contains(&new.count()) && given.insert(new)
    })
}

fn holds(state: &State) -> bool {
    let mut seen = BTreeSet::new();
    let mut epochs = state.agents.values().filter_map(epoch);
    epochs.all(|epoch| epoch.count() <= state.counters.last_epoch && seen.insert(epoch.count()))
}

fn epoch(agent: &Agent) -> Option<Epoch> {
    agent.placement.map(|placement| placement.epoch)
}
