//! Which of the latest sequences were seen: a bitmap of the last [`LENGTH`], as in RFC 6479.

/// How far behind the highest sequence a message may come.
pub const LENGTH: u64 = 1024;
const WORDS: usize = (LENGTH / 64) as usize;

/// The window.
///
/// Invariant: a bit stands for the one sequence of its class (modulo [`LENGTH`]) in `next - LENGTH .. next`.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// One more than the highest sequence seen.
    next: u64,
    /// Which were seen.
    seen: [u64; WORDS],
}

impl Window {
    /// One more than the highest sequence seen.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether `sequence` was certainly not seen.
    pub(super) fn is_fresh(&self, sequence: u64) -> bool {
        if sequence >= self.next {
            return true;
        }
        let (word, bit) = place(sequence);
        self.next - sequence <= LENGTH && self.seen[word] & bit == 0
    }

    /// Marks `sequence` as seen.
    pub(super) fn mark(&mut self, sequence: u64) {
        assert!(self.is_fresh(sequence), "a sequence is marked once");
        if sequence >= self.next {
            let skipped = (sequence - self.next + 1).min(LENGTH);
            for passed in sequence + 1 - skipped..=sequence {
                let (word, bit) = place(passed);
                self.seen[word] &= !bit;
            }
            self.next = sequence + 1;
        }
        let (word, bit) = place(sequence);
        self.seen[word] |= bit;
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let index = sequence % LENGTH;
    (usize::try_from(index / 64).expect("below the count of words"), 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::{LENGTH, Window};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set_of_all_that_was_seen_and_forgets_on_the_safe_side(
            steps in prop::collection::vec(prop_oneof![0..40_u64, 1000..1100_u64, 0..5000_u64], 1..300),
            back in prop::collection::vec(0..1200_u64, 300),
        ) {
            let (mut window, mut seen, mut at) = (Window::default(), BTreeSet::new(), 0_u64);
            for (step, back) in steps.iter().zip(back) {
                at += step;
                for sequence in [at, at.saturating_sub(back)] {
                    let old = window.next() > sequence && window.next() - sequence > LENGTH;
                    prop_assert_eq!(window.is_fresh(sequence), !old && !seen.contains(&sequence));
                    if window.is_fresh(sequence) {
                        window.mark(sequence);
                        seen.insert(sequence);
                    }
                    prop_assert!(!window.is_fresh(sequence));
                }
            }
        }
    }
}
