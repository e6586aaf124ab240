//! There are at most [`dedup::ROWS`] dedup rows, and the times of those that are gone are kept in few ranges. No command writes one
//! itself: `apply` does.

use super::Invariant;
use crate::dedup;
use crate::state::State;

pub(super) const INVARIANT: Invariant = Invariant { name: "dedup_rows", after: |_, _| true, holds };

fn holds(state: &State) -> bool {
    state.dedup.len() <= dedup::ROWS && state.spent.is_ordered()
}
