//! Entries whose lines are missing.

use crate::machine::Tip;
use serde::{Deserialize, Serialize};
use std::io;

/// The most holes that are told apart. With one more, the lines between the first two are fetched once more.
const HOLES: usize = 16;

/// Entries whose lines are missing, because a snapshot brought the state behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first entry.
    pub from: u64,
    /// The last entry.
    pub upto: u64,
    /// Where the chain ends before the first.
    pub before: Tip,
    /// Where it ends with the last: what proves the lines.
    pub after: Tip,
}

/// These holes and another behind them. Entries that have left no lines are none.
pub fn with(holes: &[Hole], hole: Hole) -> Vec<Hole> {
    let mut holes = holes.to_vec();
    if hole.before == hole.after || hole.from > hole.upto {
        return holes;
    }
    match holes.last_mut().filter(|last| last.upto + 1 == hole.from) {
        Some(last) => (last.upto, last.after) = (hole.upto, hole.after),
        None => holes.push(hole),
    }
    if holes.len() > HOLES {
        let first = holes.remove(0);
        (holes[0].from, holes[0].before) = (first.from, first.before);
    }
    holes
}

/// These holes when the lines from entry `first` to the end of `hole` are there, which begin behind `tip`; none if the hole is not
/// as it was.
///
/// # Errors
/// When these lines cannot be the hole's.
pub fn without(holes: &[Hole], hole: &Hole, first: u64, tip: Tip) -> io::Result<Option<Vec<Hole>>> {
    let Some(at) = holes.iter().position(|held| held == hole) else { return Ok(None) };
    let mut holes = holes.to_vec();
    if first < hole.from || tip.count < hole.before.count {
        return Err(foreign());
    }
    if tip.count > hole.before.count {
        if first == hole.from {
            return Err(foreign());
        }
        (holes[at].upto, holes[at].after) = (first - 1, tip);
    } else if tip == hole.before {
        holes.remove(at);
    } else {
        return Err(foreign());
    }
    Ok(Some(holes))
}

fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the lines do not go on from those before them on this disk")
}

#[cfg(test)]
mod tests {
    use super::{HOLES, Hole, with, without};
    use crate::machine::Tip;
    use symbi_model::Hash;

    fn tip(count: u64) -> Tip {
        Tip { head: Hash::of(&[&count.to_be_bytes()]), count }
    }

    /// Entries that have left one line each.
    fn hole(from: u64, upto: u64) -> Hole {
        Hole { from, upto, before: tip(from), after: tip(upto + 1) }
    }

    #[test]
    fn holes_that_touch_are_one() {
        let holes = with(&with(&[], hole(0, 9)), hole(20, 29));
        assert_eq!(holes, [hole(0, 9), hole(20, 29)]);
        assert_eq!(with(&holes, hole(30, 39)), [hole(0, 9), hole(20, 39)]);
        assert_eq!(with(&holes, Hole { after: tip(40), ..hole(40, 49) }), holes, "these have left nothing");
    }

    #[test]
    fn what_is_between_the_first_ones_is_given_up_when_there_are_too_many() {
        let numbers = 0..=HOLES as u64;
        let holes = numbers.fold(Vec::new(), |holes, number| with(&holes, hole(number * 10, number * 10 + 4)));
        assert_eq!(holes.len(), HOLES);
        assert_eq!(holes[..2], [hole(0, 14), hole(20, 24)]);
    }

    #[test]
    fn a_hole_is_filled_from_its_end() {
        let holes = [hole(0, 9), hole(20, 29)];
        let filled = |first, tip| without(&holes, &holes[1], first, tip);
        assert_eq!(filled(25, tip(25)).expect("they fit"), Some(vec![hole(0, 9), hole(20, 24)]));
        assert_eq!(filled(20, tip(20)).expect("they fit"), Some(vec![hole(0, 9)]));
        assert_eq!(without(&holes, &hole(20, 28), 20, tip(20)).expect("another"), None, "it is not there any more");
        for (first, tip) in [(19, tip(19)), (20, tip(21)), (20, Tip { count: 20, ..tip(7) })] {
            assert!(filled(first, tip).is_err(), "{first} {tip:?}");
        }
    }
}
