//! Whatever is done to a bundle without the keys of the cluster is refused, and where it is refused is said.

use crate::chain::{World, node};
use crate::seeds::seeds;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use symbi_audit::{Failure, verify};

/// How often each way is tried with a seed: with truncations and what is linked anew more than 10,000 in all.
const EACH: usize = 2_000;

struct Bundles {
    /// The bundle.
    whole: Vec<u8>,
    /// Its lines.
    lines: Vec<Vec<u8>>,
    /// The lines of another cluster's.
    others: Vec<Vec<u8>>,
    /// The bundle's anchor.
    anchor: String,
    /// Where to change it.
    random: StdRng,
}

impl Bundles {
    fn new(seed: u64) -> Self {
        let world = World::full(0xc1, "symbi");
        let (whole, anchor) = (world.bundle(), world.anchor());
        verify(whole.as_slice(), Some(&anchor)).expect("untouched");
        let others = lines(&World::full(0xc2, "symbi").bundle());
        Self { lines: lines(&whole), whole, others, anchor, random: StdRng::seed_from_u64(seed) }
    }

    /// As [`Self::new`], with this seed or those that were asked for.
    fn seeded(seed: u64) -> impl Iterator<Item = Self> {
        seeds(seed..seed + 1).map(Self::new)
    }

    fn place(&mut self) -> usize {
        self.random.random_range(0..self.lines.len())
    }

    /// Verifies a changed bundle, which must fail, with and without the anchor.
    fn refused(&self, changed: &[u8]) -> Failure {
        assert_ne!(changed, self.whole, "the change changed something");
        let failure = verify(changed, Some(&self.anchor)).expect_err("changed");
        assert!((1..=lines(changed).len() as u64 + 1).contains(&failure.line), "{failure}");
        assert_eq!(verify(changed, None).expect_err("changed, whether or not the anchor is known").line, failure.line);
        failure
    }
}

fn lines(bundle: &[u8]) -> Vec<Vec<u8>> {
    bundle.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_flipped_bit_is_refused_at_its_line_or_after_it() {
    for mut bundles in Bundles::seeded(1) {
        let last = bundles.lines.len() as u64;
        for _ in 0..EACH {
            let (at, bit) = (bundles.random.random_range(0..bundles.whole.len()), bundles.random.random_range(0..8));
            let mut changed = bundles.whole.clone();
            changed[at] ^= 1 << bit;
            let line = changed_line(&bundles.whole, at);
            let failure = bundles.refused(&changed);
            // A batch's line shows after its records, the header at the genesis, a key or the text of a name at the manifest.
            assert!((line..=last).contains(&failure.line), "line {line}: {failure}");
        }
    }
}

fn changed_line(bundle: &[u8], at: usize) -> u64 {
    1 + bundle[..at].iter().filter(|byte| **byte == b'\n').count() as u64
}

#[test]
fn a_deleted_line_is_refused() {
    for mut bundles in Bundles::seeded(2) {
        for _ in 0..EACH {
            let mut changed = bundles.lines.clone();
            changed.remove(bundles.place());
            bundles.refused(&changed.concat());
        }
    }
}

#[test]
fn two_swapped_lines_are_refused() {
    for mut bundles in Bundles::seeded(3) {
        for _ in 0..EACH {
            let (one, two) = (bundles.place(), bundles.place());
            if one != two {
                let mut changed = bundles.lines.clone();
                changed.swap(one, two);
                bundles.refused(&changed.concat());
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bundles = Bundles::new(4);
    let ends = (0..bundles.whole.len()).filter(|end| {
        let near = |at: usize| bundles.whole.get(at) == Some(&b'\n');
        end % 41 == 0 || near(*end) || near(end + 1) || near(end.wrapping_sub(1))
    });
    let mut count = 0;
    for end in ends {
        bundles.refused(&bundles.whole[..end]);
        count += 1;
    }
    assert!(count > 1_000, "{count}");
}

#[test]
fn a_line_of_another_cluster_is_refused_wherever_it_is_put() {
    for mut bundles in Bundles::seeded(5) {
        for round in 0..EACH {
            let (place, other) = (bundles.place(), bundles.random.random_range(0..bundles.others.len()));
            let mut changed = bundles.lines.clone();
            let other = bundles.others[other].clone();
            match round % 2 {
                0 => changed.insert(place, other),
                _ if changed[place] != other => changed[place] = other,
                _ => continue,
            }
            bundles.refused(&changed.concat());
        }
    }
}

#[test]
fn a_repeated_line_is_refused_and_anything_after_the_end() {
    let bundles = Bundles::new(6);
    for place in 0..bundles.lines.len() {
        let mut changed = bundles.lines.clone();
        changed.insert(place, bundles.lines[place].clone());
        bundles.refused(&changed.concat());
    }
    let last = bundles.lines.len() as u64;
    let failure = bundles.refused(&[bundles.whole.as_slice(), b"\n"].concat());
    assert_eq!(failure.line, last + 1);
    bundles.refused(&[bundles.whole.as_slice(), &bundles.whole].concat());
}

#[test]
fn the_same_in_other_words_is_refused() {
    let bundles = Bundles::new(7);
    let text = String::from_utf8(bundles.whole.clone()).expect("text");
    let others = [
        text.replacen("\"version\":2", "\"version\": 2", 1),
        text.replacen("{\"type\":\"batch\",", "{ \"type\":\"batch\",", 1),
        text.replacen("\"position\":0", "\"position\":0,\"position\":0", 1),
        text.replacen("\"group\":0", "\"group\":0,\"more\":0", 1),
        text.replacen("\"details\":{", "\"details\":{\"\":\"\",", 1),
        text.replacen("{\"what\":\"local\",", "{ \"what\":\"local\",", 1),
        text.replacen("\"attestation\":{\"epoch\":0,", "\"attestation\":{\"epoch\":0,\"epoch\":0,", 1),
        text.replacen("\"verdict\":\"01", "\"verdict\":\"0 1", 1),
        text.replacen("DONE", "\\u0044ONE", 1),
        text.replacen('\n', "\r\n", 1),
        text.replacen('\u{1f980}', "\\ud83e\\udd80", 1),
        text.replacen("\"version\":2", "\"version\":3", 1),
        text.replacen("\"version\":2", "\"version\":2.0", 1),
        format!("\u{feff}{text}"),
    ];
    for other in others {
        bundles.refused(other.as_bytes());
    }
}

proptest! {
    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(noise.as_slice(), None).is_err());
    }

    #[test]
    fn nearly_lines_are_refused(text in "(\\{\"type\":\"(bundle|batch|record|key|policy|ledger|entry|missing|manifest)\"[,:\"0-9a-z{}]{0,80}\n){0,4}") {
        prop_assert!(verify(text.as_bytes(), None).is_err());
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    let endless = vec![b'x'; 5 * 1024 * 1024];
    assert_eq!(verify(endless.as_slice(), None).expect_err("too long").line, 1);
}

/// A ledger's line changed at random, or moved, or left out, all after it linked anew and the bundle signed by its exporter:
/// what an exporter can do by itself.
#[test]
fn a_ledger_that_is_changed_and_linked_anew_by_its_exporter_is_refused() {
    let whole = World::full(0xc1, "symbi");
    for seed in seeds(8..9) {
        let (mut random, mut changed) = (StdRng::seed_from_u64(seed), 0);
        for round in 0..EACH {
            let mut world = whole.clone();
            let number = random.random_range(1..=2);
            let anchored = world.anchored_lines(number);
            let lines = world.ledgers.get_mut(&node(number)).expect("it has one");
            let place = random.random_range(0..anchored);
            match round % 4 {
                0 => drop(lines.remove(place)),
                1 => lines.insert(place, lines[random.random_range(0..lines.len())].clone()),
                2 => lines.truncate(place),
                _ => lines[place].time_ms += random.random_range(1..50),
            }
            world.relink_ledger(number);
            let anchored_lines =
                |of: &World| of.ledgers[&node(number)].iter().take(anchored).cloned().collect::<Vec<_>>();
            if anchored_lines(&world) == anchored_lines(&whole) {
                // Only what no anchor covers was changed, and for that the exporter alone vouches.
                continue;
            }
            changed += 1;
            assert!(
                verify(world.bundle().as_slice(), Some(&world.anchor())).is_err(),
                "seed {seed}, round {round}: line {place} of n{number}"
            );
        }
        assert!(changed > EACH * 9 / 10, "{changed}");
    }
}
