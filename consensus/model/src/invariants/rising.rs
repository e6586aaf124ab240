//! Log time, epochs, the policy set, the audit count, the versions of records and what is anchored of ledgers never fall.

use super::Invariant;
use crate::ledger::Anchored;
use crate::state::{Change, State};

pub(super) const INVARIANT: Invariant = Invariant { name: "rising", after, holds };

fn after(before: &State, change: &Change) -> bool {
    let (old, new) = (&before.counters, &change.counters);
    let counters = new.log_time_ms >= old.log_time_ms
        && new.last_epoch >= old.last_epoch
        && new.policy_set >= old.policy_set
        && new.audit_records >= old.audit_records
        && new.applied_index >= old.applied_index;
    counters
        && change.ledgers.iter().all(|(node, new)| {
            let is_later = |old: &Anchored| (new.index, new.position) > (old.index, old.position);
            before.ledgers.get(node).is_none_or(|old| new.anchor.entries > old.anchor.entries && is_later(old))
        })
        && change.agents.iter().all(|(name, agent)| {
            let old = before.agents.get(name);
            let Some((new, old)) = agent.as_ref().zip(old) else { return true };
            new.id != old.id || new.version >= old.version
        })
}

/// Of one state alone: what is recorded in it is not later than the state itself.
fn holds(state: &State) -> bool {
    let now = state.counters.applied_index;
    state.agents.values().all(|agent| agent.created_at <= now)
        && state.nodes.values().all(|node| node.enrolled_at <= now && node.enrolled_ms <= state.counters.log_time_ms)
        && state.dedup.values().all(|row| row.used_ms <= state.counters.log_time_ms)
}
