//! The times of clients of whom a row is gone: a client of such a time may have written, and nobody can tell any more.
//!
//! Kept apart from any clock, so that it holds whatever clocks do. While they are right, these times lie further back than a client
//! may be old at all. After a clock that was fast was set back, they say which clients of now are certainly new.

use super::WINDOW_MS;
use serde::{Deserialize, Serialize};

/// Times that are no further apart than this are kept as one range with all between them.
const APART_MS: u64 = 2 * WINDOW_MS;
/// The most ranges. Beyond it the two earliest become one.
const RANGES: usize = 8;

/// Ranges of times in ms since the Unix epoch, both ends included.
///
/// Invariants:
/// - there are at most [`RANGES`], they rise, and lie more than [`APART_MS`] apart;
/// - a time that was in one of them stays in one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent(Vec<(u64, u64)>);

impl Spent {
    /// Whether a client of this time may have had a row that is gone.
    #[must_use]
    pub fn covers(&self, ms: u64) -> bool {
        self.next_unspent(ms) != ms
    }

    /// The first time from `ms` on of which no client can have had a row that is gone: the one to make a client's id of.
    #[must_use]
    pub fn next_unspent(&self, ms: u64) -> u64 {
        match self.0.iter().find(|(from, to)| (*from..=*to).contains(&ms)) {
            Some((_, to)) => to.saturating_add(1),
            None => ms,
        }
    }

    /// The last time that is spent; 0 if none is.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.last().map_or(0, |(_, to)| *to)
    }

    /// A row of a client of this time is gone.
    pub(crate) fn add(&mut self, ms: u64) {
        let near = |(from, to): &(u64, u64)| *from <= ms.saturating_add(APART_MS) && ms <= to.saturating_add(APART_MS);
        let (near, mut apart): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0).into_iter().partition(near);
        let grown = near.into_iter().fold((ms, ms), |(first, last), (from, to)| (first.min(from), last.max(to)));
        let place = apart.partition_point(|(from, _)| *from < grown.0);
        apart.insert(place, grown);
        if apart.len() > RANGES {
            let (from, _) = apart.remove(0);
            apart[0].0 = from;
        }
        self.0 = apart;
    }

    /// Whether the invariants hold that a value alone can show.
    pub(crate) fn is_ordered(&self) -> bool {
        let rise = self.0.iter().all(|(from, to)| from <= to);
        let apart = self.0.windows(2).all(|two| two[0].1.saturating_add(APART_MS) < two[1].0);
        self.0.len() <= RANGES && rise && apart
    }
}

#[cfg(test)]
mod tests {
    use super::{APART_MS, RANGES, Spent};
    use proptest::prelude::*;

    #[test]
    fn near_times_become_one_range_and_far_ones_stay_apart() {
        let mut spent = Spent::default();
        for ms in [10, 20, 10 + APART_MS, 1_000 * APART_MS] {
            spent.add(ms);
        }
        assert_eq!(spent.0, [(10, 10 + APART_MS), (1_000 * APART_MS, 1_000 * APART_MS)]);
        assert_eq!((spent.next_unspent(9), spent.next_unspent(15), spent.last()), (9, 11 + APART_MS, 1_000 * APART_MS));
        assert!(spent.covers(10) && !spent.covers(500 * APART_MS));
    }

    proptest! {
        #[test]
        fn what_is_spent_stays_so_in_few_ranges(times in prop::collection::vec(0..60 * APART_MS, 1..80)) {
            let mut spent = Spent::default();
            for (at, ms) in times.iter().enumerate() {
                spent.add(*ms);
                prop_assert!(spent.is_ordered() && spent.0.len() <= RANGES, "{spent:?}");
                prop_assert!(times[..=at].iter().all(|ms| spent.covers(*ms)), "{spent:?}");
            }
        }
    }
}
