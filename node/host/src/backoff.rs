//! How long an agent that ended waits for its next start: exponential, with jitter, forgotten after a good run.
//!
//! Not here: whether it is started again at all, which is its restart policy's.

use rand::Rng;
use std::time::Duration;

/// The first wait.
pub const FIRST: Duration = Duration::from_secs(1);
/// No wait is longer than this, before jitter.
pub const LONGEST: Duration = Duration::from_secs(60);
/// A run of this length forgets the failures before it.
pub const GOOD_RUN: Duration = Duration::from_secs(60);
/// From this many ends in a row, the agent is said to loop.
pub const LOOP: u32 = 5;

/// The waits of one agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    /// Ends in a row, none of which followed a good run.
    failures: u32,
}

impl Backoff {
    /// Takes note of an end after `up`, and says how long to wait: 1 s, doubled for each end in a row up to 60 s, times
    /// a factor between 0.8 and 1.2 so that agents that fell together do not rise together.
    pub(crate) fn ended(&mut self, up: Duration, random: &mut impl Rng) -> Duration {
        self.failures = if up >= GOOD_RUN { 1 } else { self.failures.saturating_add(1) };
        let doubled = FIRST.saturating_mul(1 << (self.failures - 1).min(6));
        doubled.min(LONGEST).mul_f64(random.random_range(0.8..1.2))
    }

    /// Ends in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it has ended so often in a row that people should look.
    pub(crate) fn looping(&self) -> bool {
        self.failures >= LOOP
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, GOOD_RUN, LONGEST};
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::time::Duration;

    #[test]
    fn waits_double_to_the_longest_and_a_good_run_forgets() {
        let mut random = StdRng::seed_from_u64(7);
        let mut backoff = Backoff::default();
        for base in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.ended(Duration::from_secs(59), &mut random);
            let base = Duration::from_secs(base);
            assert!(wait >= base.mul_f64(0.8) && wait < base.mul_f64(1.2), "{wait:?} for {base:?}");
        }
        assert!(backoff.looping());
        assert!(backoff.ended(GOOD_RUN, &mut random) < Duration::from_millis(1_200));
        assert_eq!(backoff.failures(), 1);
        assert!(!backoff.looping());
    }

    #[test]
    fn one_seed_one_history() {
        let waits = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            (0..8).map(|_| backoff.ended(Duration::ZERO, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
        assert!(waits(3).iter().all(|wait| *wait < LONGEST.mul_f64(1.2)));
    }
}
