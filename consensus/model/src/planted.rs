//! Deliberate defects, so that a test can show that it would find them: each takes one safety condition away.
//!
//! Compiled in only where `build.rs` sets `cfg(planted)`, which is the debug profile; in any other build [`active`] is a
//! constant `false`. The one global of this crate: a defect must reach code that knows nothing of tests.

/// A safety condition that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// Effects are accepted whatever their epoch.
    EpochCheck = 1,
    /// A gate opens before it has applied the grant's read index.
    GrantReadIndex = 2,
    /// A node's agents are placed elsewhere before it is condemned.
    CondemnBeforePlace = 3,
    /// A leader's command is applied whatever term it was decided in.
    TermCondition = 4,
}

#[cfg(planted)]
mod planted_defect {
    use std::sync::atomic::AtomicU8;

    pub static CURRENT: AtomicU8 = AtomicU8::new(0);
}

/// Whether `defect` is planted in this process.
#[cfg(planted)]
#[must_use]
pub fn active(defect: Defect) -> bool {
    planted_defect::CURRENT.load(std::sync::atomic::Ordering::Relaxed) == defect as u8
}

/// Whether `defect` is planted in this process: never, in this build.
#[cfg(not(planted))]
#[must_use]
pub const fn active(_defect: Defect) -> bool {
    false
}

/// Plants `defect` in this process in place of the one before, or none. Without effect outside of debug builds.
pub fn plant(defect: Option<Defect>) {
    #[cfg(planted)]
    planted_defect::CURRENT.store(defect.map_or(0, |defect| defect as u8), std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(planted))]
    let _ = defect;
}
