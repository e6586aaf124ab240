//! A range of versions of a protocol: what a program speaks, and what two programs have in common.

use serde::{Deserialize, Serialize};
use std::fmt;

/// From the first to the last, both spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The first.
    pub min: u32,
    /// The last.
    pub max: u32,
}

impl Versions {
    /// The latest version in both ranges; none if they do not overlap, or one of them is none.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let (first, last) = (self.min.max(other.min), self.max.min(other.max));
        (first <= last).then_some(last)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return write!(formatter, "version {}", self.min);
        }
        write!(formatter, "versions {} to {}", self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::Versions;

    #[test]
    fn two_ranges_have_the_latest_of_both_in_common_or_nothing() {
        let range = |min, max| Versions { min, max };
        assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
        assert_eq!(range(2, 5).common(range(1, 3)), Some(3));
        assert_eq!(range(1, 2).common(range(3, 4)), None);
        assert_eq!(range(2, 2).common(range(2, 2)), Some(2));
        assert_eq!(range(3, 1).common(range(1, 3)), None, "a range that is none");
        assert_eq!((range(2, 2).to_string(), range(2, 4).to_string()), ("version 2".into(), "versions 2 to 4".into()));
    }
}
