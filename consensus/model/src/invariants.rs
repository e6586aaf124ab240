//! What must hold, whatever happens: one predicate a file, each in two forms. Over what a command would write, before it is
//! taken in, at the cost of those rows; and over a whole state, for tests and simulations. With the first for every
//! step, the second follows by induction.
//!
//! A breach is a defect of ours. `apply` keeps it out of the state and answers `INVARIANT_BROKEN` with the name: a panic
//! would meet every replica again at every restart. Tests and simulations panic on that answer.

mod capacity;
mod dedup_rows;
mod epochs;
mod fences;
mod names;
mod removals;
mod rising;
mod ruling;
mod token_uses;
mod users;

use crate::state::{Change, State};

/// One invariant.
struct Invariant {
    /// Its name, as the outcome and the log show it.
    name: &'static str,
    /// Whether it holds after this change of a state for which it held.
    after: fn(&State, &Change) -> bool,
    /// Whether it holds for a state, as far as a state alone can tell.
    holds: fn(&State) -> bool,
}

/// Every invariant, cheap ones first.
const ALL: [Invariant; 10] = [
    rising::INVARIANT,
    ruling::INVARIANT,
    fences::INVARIANT,
    epochs::INVARIANT,
    removals::INVARIANT,
    capacity::INVARIANT,
    names::INVARIANT,
    token_uses::INVARIANT,
    users::INVARIANT,
    dedup_rows::INVARIANT,
];

/// The first invariant that would not hold after `change`.
pub(crate) fn breached(before: &State, change: &Change) -> Option<&'static str> {
    ALL.iter().find(|invariant| !(invariant.after)(before, change)).map(|invariant| invariant.name)
}

/// Checks a whole state, in O(its size): for tests and simulations.
///
/// # Errors
/// The names of the invariants that do not hold.
pub fn check_all(state: &State) -> Result<(), Vec<&'static str>> {
    let broken: Vec<_> =
        ALL.iter().filter(|invariant| !(invariant.holds)(state)).map(|invariant| invariant.name).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

#[cfg(test)]
mod tests;
