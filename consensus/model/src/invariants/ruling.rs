//! Whoever rules, and whoever is named to follow, is a set of ids that rise, the one other than the other; the chain's frontier is
//! that of a tree of its size; and no checkpoint is ahead of the chain.

use super::Invariant;
use crate::ids::NodeId;
use crate::state::{Change, Ruling, State};

pub(super) const INVARIANT: Invariant = Invariant { name: "ruling", after, holds };

fn after(_before: &State, change: &Change) -> bool {
    change.ruling.as_ref().is_none_or(is_sound)
}

fn holds(state: &State) -> bool {
    let size = state.chain.frontier.size();
    let mut closed = state.checkpoint.iter().chain(&state.hop);
    let is_founded = state.cluster.is_some() && size > 0;
    state.chain.frontier.is_sound()
        && size <= state.counters.audit_records
        && (!is_founded || is_sound(&state.chain.ruling))
        && closed.all(|checkpoint| checkpoint.size <= size && checkpoint.index <= state.counters.applied_index)
}

fn is_sound(ruling: &Ruling) -> bool {
    let rises = |set: &[NodeId]| !set.is_empty() && set.windows(2).all(|pair| pair[0] < pair[1]);
    rises(&ruling.voters) && ruling.next.as_ref().is_none_or(|next| rises(next) && *next != ruling.voters)
}
