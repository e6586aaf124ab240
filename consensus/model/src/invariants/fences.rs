//! Under one epoch a placement's node stays, and a hold that has ended stays ended, and what is to end stays so; a new epoch comes only when the hold of
//! the one before has ended. This is what makes an epoch a fence.

use super::Invariant;
use crate::agent::{Hold, Placement};
use crate::state::{Change, State};

pub(super) const INVARIANT: Invariant = Invariant { name: "fences", after, holds: |_| true };

fn after(before: &State, change: &Change) -> bool {
    change.agents.iter().all(|(name, agent)| {
        let Some(agent) = agent else { return true };
        // A record of another id is another agent, which starts with no placement.
        let old = before.agents.get(name).filter(|old| old.id == agent.id).and_then(|old| old.placement);
        follows(old, agent.placement)
    })
}

fn follows(old: Option<Placement>, new: Option<Placement>) -> bool {
    match (old, new) {
        (None, None) => true,
        (None, Some(new)) => new.hold == Hold::Held,
        (Some(_), None) => false,
        (Some(old), Some(new)) if old.epoch == new.epoch => {
            let ended_stays = old.hold == Hold::Held || new.hold != Hold::Held;
            let same = old.node == new.node && old.index == new.index && old.reserved == new.reserved;
            same && ended_stays && (new.ends || !old.ends)
        }
        (Some(old), Some(new)) => old.hold != Hold::Held && new.epoch > old.epoch,
    }
}
