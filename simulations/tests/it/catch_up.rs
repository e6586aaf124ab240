//! A join that cannot catch up ends with exit code 28, and goes on where it stopped when it is tried again.

use crate::program::{symbi_sim, text};
use std::fs;

#[test]
fn exit_code_28_and_then_a_member() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("trace");
    let output = symbi_sim(&format!("--seed 4 --scenario catch-up --trace {}", path.display()));
    assert!(output.status.success(), "{}", text(&output));
    let trace = fs::read_to_string(path).expect("a trace");
    let of_last: Vec<&str> = trace.lines().filter(|line| line.contains(" n3 ")).collect();
    let at = |what: &str| of_last.iter().position(|line| line.contains(what));
    let enrolled = at("join 7/8").expect("phase 7 ended");
    let failed = at("stopped with exit code 28").expect("it failed as 28");
    assert!(at("join 8/8  ...").is_some(), "it says how far it is meanwhile");
    let member = at("role Follower").expect("it follows after another start");
    assert!(enrolled < failed && failed < member);
    assert!(at("join 8/8  caught up").is_none(), "phase 8 did not end while the links were held");
}
