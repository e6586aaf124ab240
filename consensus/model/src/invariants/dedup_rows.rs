//! There are at most [`dedup::ROWS`] dedup rows, and none that has ended. No command writes one itself: `apply` does.

use super::Invariant;
use crate::dedup;
use crate::state::State;

pub(super) const INVARIANT: Invariant = Invariant { name: "dedup_rows", after: |_, _| true, holds };

fn holds(state: &State) -> bool {
    let now_ms = state.counters.log_time_ms;
    state.dedup.len() <= dedup::ROWS && state.dedup.iter().all(|(client, row)| row.ends_ms(*client) >= now_ms)
}
