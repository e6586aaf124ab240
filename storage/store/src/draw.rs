//! What a crash leaves, and the numbers that say so: a seed gives the same ones every time.

/// A sequence of numbers: SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    /// Where in the sequence it is.
    state: u64,
}

impl Draw {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `bound`, which must not be zero. Small bounds are drawn evenly enough for what this is for.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below zero");
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A place among `places`, from 0; zero if there are none.
    pub(crate) fn place(&mut self, places: usize) -> usize {
        if places == 0 {
            return 0;
        }
        let bound = u64::try_from(places).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }
}

/// Where a crash cuts what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before all of it.
    Before,
    /// Behind so many of so many equal parts.
    Behind(u64, u64),
}

impl Cut {
    /// Before all of it, behind all of it, or anywhere.
    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        const PARTS: u64 = 1 << 32;
        match draw.below(4) {
            0 => Self::Before,
            1 => Self::Behind(1, 1),
            _ => Self::Behind(draw.below(PARTS), PARTS),
        }
    }

    /// How much of `total` is before it.
    pub(crate) fn of(self, total: u64) -> u64 {
        match self {
            Self::Before => 0,
            Self::Behind(part, of) => {
                u64::try_from(u128::from(total) * u128::from(part) / u128::from(of)).expect("a part of it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    /// The reference implementation's first numbers from seed 1234567.
    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut draw = Draw::new(1_234_567);
        let first = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423_u64];
        assert_eq!(first, first.map(|_| draw.below(u64::MAX)));
    }
}
