//! Gates: which version's commands, outcomes, act versions and limits may be in the log. The state has the gate that is open;
//! only `upgrade finalize` opens the next, once every member speaks it. Before that nothing is written that a member
//! could not read, so a member can go back to its program of before; afterwards it cannot.
//!
//! Builds for tests can speak one gate more than they should, with a command, a table and an act version of its own, chosen at run
//! time, to show that two versions live in one cluster.

/// The gate that no cluster is without.
pub const FIRST: u32 = 1;
/// The gate of this version. A cluster that this program makes begins with it.
pub const CURRENT: u32 = 1;
/// The act version that goes with it.
pub const ACTS: u16 = 1;
/// The gate that builds for tests can speak besides.
pub const NEXT: u32 = CURRENT + 1;

/// The highest gate that this process speaks.
#[must_use]
pub fn spoken() -> u32 {
    if next::is_spoken() { NEXT } else { CURRENT }
}

/// The act version of batches while this gate is open.
#[must_use]
pub fn acts(gate: u32) -> u16 {
    if gate >= NEXT && next::is_spoken() { ACTS + 1 } else { ACTS }
}

/// The gate that acts of this version need.
#[must_use]
pub fn of_acts(acts: u16) -> u32 {
    if acts <= ACTS { FIRST } else { FIRST.saturating_add(u32::from(acts - ACTS)) }
}

/// The highest version of rows, documents and messages that belongs to a gate: a version has the number of the gate that brought
/// it, so that what a value needs is seen from its version.
#[must_use]
pub const fn version(gate: u32) -> u16 {
    if gate > u16::MAX as u32 { u16::MAX } else { gate as u16 }
}

/// The gate that brought a version of a row, a document or a message.
#[must_use]
pub const fn of_version(version: u16) -> u32 {
    version as u32
}

/// The actions that policies must be able to judge once this gate is open, and not before.
#[must_use]
pub fn actions(gate: u32) -> &'static [&'static str] {
    if gate == NEXT { next::ACTIONS } else { &[] }
}

/// Lets this process speak the next gate. Without effect in a release.
pub fn speak_next() {
    next::speak();
}

#[cfg(planted)]
mod next {
    use std::sync::atomic::{AtomicBool, Ordering};

    static SPOKEN: AtomicBool = AtomicBool::new(false);
    /// See [`super::actions`].
    pub(super) const ACTIONS: &[&str] = &["next::mark"];

    pub(super) fn is_spoken() -> bool {
        SPOKEN.load(Ordering::Relaxed)
    }

    pub(super) fn speak() {
        SPOKEN.store(true, Ordering::Relaxed);
    }
}

#[cfg(not(planted))]
mod next {
    /// See [`super::actions`].
    pub(super) const ACTIONS: &[&str] = &[];

    pub(super) const fn is_spoken() -> bool {
        false
    }

    pub(super) const fn speak() {}
}
