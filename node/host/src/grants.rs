//! The grant guard: whether this node may act at all, by the grants it holds. Tested at each effect, not by a timer.
//!
//! A grant is open while less than [`GRANT_LIFE`] has passed on the boot clock since it was *asked for*, and the node has
//! applied its `read_index`. The first half ends a node's acts before the leader may condemn it; the second keeps a
//! node that returns with an old state from acting for agents that were moved meanwhile. Any one open grant is enough: each
//! was given by a leader that had confirmed its lead, and a newer one takes nothing from an older one.
//!
//! Not here: who is granted what (`control::grants`), and the fence of a single agent (its epoch, tested by its caller).

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::planted::{self, Defect};

pub(crate) mod renewal;

/// How long a grant is good for, from when it was asked for.
pub const GRANT_LIFE: Duration = Duration::from_secs(6);
/// After this long without a grant, agents are suspended.
pub const SUSPEND_AFTER: Duration = Duration::from_secs(8);
/// After this long without a grant, the node no longer judges for callers from outside either: its policies may be old.
pub const DEAF_AFTER: Duration = symbi_policy::LEADERLESS_AFTER;
/// How often a grant is asked for.
pub const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Grants kept: one a second for the life of one, and some for answers that arrive together.
const KEPT: usize = 16;

/// A grant as the node holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The boot clock when it was asked for.
    pub requested_at: Duration,
    /// The term of the leader that gave it.
    pub term: u64,
    /// What must be applied here before it opens anything.
    pub read_index: u64,
}

/// Why the guard refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// No grant since this boot.
    Never,
    /// The last grant has run out.
    Expired {
        /// How long ago the last grant was asked for, in ms.
        silent_ms: u64,
    },
    /// There is a grant, but this node's state is older than what it requires.
    Behind {
        /// What is applied.
        applied: u64,
        /// What must be.
        read_index: u64,
    },
}

impl fmt::Display for Shut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(formatter, "its node has had no grant since it started"),
            Self::Expired { silent_ms } => write!(formatter, "its node has had no grant for {silent_ms} ms"),
            Self::Behind { applied, read_index } => {
                write!(formatter, "its node has applied {applied} and its grant requires {read_index}")
            }
        }
    }
}

/// How the node stands, for those who are suspended and resumed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Effects pass.
    Open,
    /// Effects are refused, and not yet for long: nothing is suspended.
    Shut,
    /// No grant for [`SUSPEND_AFTER`], or none since boot.
    Silent,
}

/// The guard of one node.
///
/// Invariants:
/// - grants are kept in the order in which they were asked for, at most [`KEPT`], none older than [`GRANT_LIFE`] but the last.
#[derive(Clone)]
pub(crate) struct GrantGuard {
    /// The grants that may still be open, oldest first.
    grants: Arc<Mutex<VecDeque<Grant>>>,
    /// The time since this machine booted, sleep included.
    boottime: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl GrantGuard {
    /// A guard without a grant: it refuses everything.
    pub(crate) fn new(boottime: Arc<dyn Fn() -> Duration + Send + Sync>) -> Self {
        Self { grants: Arc::default(), boottime }
    }

    /// Takes in a grant.
    pub(crate) fn granted(&self, grant: Grant) {
        let now = (self.boottime)();
        let mut grants = self.lock();
        let place = grants.partition_point(|held| held.requested_at <= grant.requested_at);
        grants.insert(place, grant);
        while grants.len() > KEPT || (grants.len() > 1 && grants[0].requested_at + GRANT_LIFE <= now) {
            grants.pop_front();
        }
        debug_assert!(grants.iter().is_sorted_by_key(|held| held.requested_at), "grants are in order");
    }

    /// Whether an effect may pass now, `applied` being the index of the state by which it is judged.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn check(&self, applied: u64) -> Result<(), Shut> {
        let now = (self.boottime)();
        let grants = self.lock();
        if grants.iter().any(|grant| live(grant, now) && covered(grant, applied)) {
            return Ok(());
        }
        Err(match grants.back() {
            None => Shut::Never,
            Some(last) if live(last, now) => Shut::Behind { applied, read_index: last.read_index },
            Some(last) => {
                let silent = now.saturating_sub(last.requested_at);
                Shut::Expired { silent_ms: u64::try_from(silent.as_millis()).unwrap_or(u64::MAX) }
            }
        })
    }

    /// Whether a placement made at `index` may be started: an open grant that was given knowing of the placement.
    pub(crate) fn covers(&self, index: u64, applied: u64) -> bool {
        let now = (self.boottime)();
        self.lock().iter().any(|grant| live(grant, now) && covered(grant, applied) && grant.read_index >= index)
    }

    /// Whether the node has heard of a leader within `limit`.
    pub(crate) fn heard_within(&self, limit: Duration) -> bool {
        let now = (self.boottime)();
        self.lock().back().is_some_and(|last| now < last.requested_at + limit)
    }

    /// How the node stands.
    pub(crate) fn standing(&self, applied: u64) -> Standing {
        if self.check(applied).is_ok() {
            return Standing::Open;
        }
        if self.heard_within(SUSPEND_AFTER) { Standing::Shut } else { Standing::Silent }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn live(grant: &Grant, now: Duration) -> bool {
    now < grant.requested_at + GRANT_LIFE
}

fn covered(grant: &Grant, applied: u64) -> bool {
    planted::active(Defect::GrantReadIndex) || applied >= grant.read_index
}

#[cfg(test)]
mod tests {
    use super::{Grant, GrantGuard, Shut, Standing};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    fn guard() -> (Arc<AtomicU64>, GrantGuard) {
        let clock = Arc::new(AtomicU64::new(100_000));
        let read = Arc::clone(&clock);
        (clock, GrantGuard::new(Arc::new(move || Duration::from_millis(read.load(Ordering::Relaxed)))))
    }

    fn grant(requested_ms: u64, read_index: u64) -> Grant {
        Grant { requested_at: Duration::from_millis(requested_ms), term: 1, read_index }
    }

    #[test]
    fn open_for_six_seconds_from_the_request_and_not_a_millisecond_longer() {
        let (clock, guard) = guard();
        assert_eq!(guard.check(9), Err(Shut::Never));
        guard.granted(grant(99_000, 9));
        assert_eq!(guard.check(9), Ok(()));
        clock.store(104_999, Ordering::Relaxed);
        assert_eq!(guard.check(9), Ok(()));
        clock.store(105_000, Ordering::Relaxed);
        assert_eq!(guard.check(9), Err(Shut::Expired { silent_ms: 6_000 }));
        assert_eq!(guard.standing(9), Standing::Shut);
        clock.store(107_000, Ordering::Relaxed);
        assert_eq!(guard.standing(9), Standing::Silent);
    }

    #[test]
    fn shut_until_the_read_index_is_applied() {
        let (_, guard) = guard();
        guard.granted(grant(100_000, 50));
        assert_eq!(guard.check(49), Err(Shut::Behind { applied: 49, read_index: 50 }));
        assert_eq!(guard.check(50), Ok(()));
        assert!(guard.covers(50, 50));
        assert!(!guard.covers(51, 51), "the grant was given before this placement was made");
    }

    #[test]
    fn an_older_grant_stays_open_while_the_newer_ones_index_is_not_applied() {
        let (clock, guard) = guard();
        guard.granted(grant(100_000, 50));
        clock.store(101_000, Ordering::Relaxed);
        guard.granted(grant(101_000, 60));
        assert_eq!(guard.check(55), Ok(()));
        clock.store(106_000, Ordering::Relaxed);
        assert_eq!(guard.check(55), Err(Shut::Behind { applied: 55, read_index: 60 }));
    }

    #[test]
    fn answers_out_of_order_do_not_shorten_what_is_held() {
        let (clock, guard) = guard();
        clock.store(102_000, Ordering::Relaxed);
        guard.granted(grant(102_000, 5));
        guard.granted(grant(100_000, 4));
        clock.store(107_999, Ordering::Relaxed);
        assert_eq!(guard.check(5), Ok(()));
    }
}
