//! So many seeds as a test may take, in four portions so that they run beside each other: every kind of run eight times.
//! `scripts/test.sh --deep sim` runs a thousand others.

use crate::program::{symbi_sim, text};

/// Runs seeds, none of which may fail, and which together must have exercised what they are for.
fn portion(seeds: &str) {
    let output = symbi_sim(&format!("--seeds {seeds}"));
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    let exercised = [
        "leader changes",
        "crashes",
        "power cuts with appends in flight",
        "power cuts that kept records",
        "power cuts that lost records",
        "power cuts that tore a record",
        "disk stalls",
        "disks full",
        "disks failed",
        "nodes stopped",
        "rings",
        "leadership transfers",
        "groups of five voters",
        "thawed hosts judged again",
        "states compared",
        "one-way holds",
        "losses",
        "slow links",
        "clock jumps",
        "clocks drifted",
        "policy sets applied",
        "nodes removed",
        "removed nodes turned away",
        "re-placements",
        "late effects refused by gates",
        "late effects refused by sinks",
        "late effects passed by frozen gates",
        // The five endings, one of them in its two kinds.
        "asks answered",
        "asks denied",
        "asks not delivered",
        "asks too late, not delivered",
        "asks too late, delivered",
        "asks of unknown outcome",
        "messages sent in calm",
        "tells given",
        "tells denied",
        "tells not delivered",
        "linearizable reads",
        "writes to shared keys",
        "operations of unknown fate",
        "messages sealed",
        "ledger anchors",
        "checkpoints signed",
        "checkpoints witnessed",
        "voters changed",
        "voters that could not sign",
        "databases put back",
    ];
    for what in exercised {
        let line = text.lines().find(|line| line.ends_with(what)).unwrap_or_else(|| panic!("no line {what:?}: {text}"));
        let count: u64 = line.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a count");
        assert!(count > 0, "no {what} in seeds {seeds}: {text}");
    }
    // For whoever reads the test's log.
    println!("{text}");
}

#[test]
fn first_quarter() {
    portion("0..40");
}

#[test]
fn second_quarter() {
    portion("40..80");
}

#[test]
fn third_quarter() {
    portion("80..120");
}

#[test]
fn fourth_quarter() {
    portion("120..160");
}
