//! A seed is a history: the same one twice, another one for another seed.

use crate::program::{symbi_sim, text};
use std::fs;
use std::path::Path;
use symbi_simulations::scenario::Scenario;

/// The trace of a seed, and the last line that was printed.
fn history(dir: &Path, seed: u64, scenario: &str) -> (Vec<u8>, String) {
    let path = dir.join(format!("{seed}-{scenario}"));
    let output = symbi_sim(&format!("--seed {seed} --scenario {scenario} --trace {}", path.display()));
    assert!(output.status.success(), "{}", text(&output));
    let last = text(&output).lines().last().expect("something is printed").to_owned();
    (fs::read(path).expect("a trace"), last)
}

#[test]
fn one_seed_twice_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    for scenario in Scenario::ALL.map(|scenario| scenario.to_string()) {
        let (first, second) = (history(one.path(), 7, &scenario), history(two.path(), 7, &scenario));
        assert!(first.0 == second.0, "{scenario}: two runs of one seed differ");
        assert_eq!(first.1, second.1, "{scenario}");
        assert!(first.0.len() > 10_000, "{scenario}: a trace of {} bytes has seen nothing", first.0.len());
    }
}

#[test]
fn two_seeds_give_two_histories() {
    let dir = tempfile::tempdir().expect("a directory");
    let (seven, eight) = (history(dir.path(), 7, "cut"), history(dir.path(), 8, "cut"));
    assert_ne!(seven.1, eight.1);
    assert!(seven.0 != eight.0);
}

#[test]
fn the_last_line_is_the_hash_of_the_trace() {
    use sha2::{Digest, Sha256};
    let dir = tempfile::tempdir().expect("a directory");
    let (trace, last) = history(dir.path(), 1, "catch-up");
    assert_eq!(last, hex::encode(Sha256::digest(trace)));
}
