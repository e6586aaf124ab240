//! The table of verdicts: bounded, with ids that rise whatever the clock does.

use crate::fixture::{NOW_MS, add_agent, agent, cluster, from, gate, node_id, user};
use std::sync::atomic::Ordering;
use symbi_policy::{Administer, Ask, STARTER};

#[test]
fn the_last_ten_thousand_are_kept() {
    let (gate, _) = gate();
    let state = cluster(STARTER);
    let decide = || {
        let permit = gate.judge(&state, Administer { principal: user("admin"), what: "token.create" });
        permit.unwrap().reference().decision
    };
    let ids: Vec<_> = (0..10_001).map(|_| decide()).collect();
    assert!(gate.verdict(&ids[0]).is_none());
    assert!(ids[1..].iter().all(|id| gate.verdict(id).is_some()));
}

#[test]
fn ids_rise_and_name_the_node_even_when_the_clock_goes_back() {
    let (gate, clock) = gate();
    let mut state = cluster(STARTER);
    add_agent(&mut state, "a", "demo", 1, 5);
    let decide = || gate.judge(&state, Ask { from: from("a"), to: agent("a") }).unwrap().reference().decision;
    let mut ids = vec![decide()];
    for time in [NOW_MS, NOW_MS + 5, NOW_MS - 10_000, NOW_MS - 9_000, NOW_MS + 6] {
        clock.store(time, Ordering::Relaxed);
        ids.extend((0..100).map(|_| decide()));
    }
    assert!(ids.is_sorted_by(|a, b| a < b));
    let last = ids.last().unwrap();
    assert_eq!(last.node, node_id(1).0[..4]);
    assert_eq!(last.id.get_version_num(), 7);
    let (seconds, nanos) = last.id.get_timestamp().unwrap().to_unix();
    assert_eq!(seconds * 1_000 + u64::from(nanos) / 1_000_000, NOW_MS + 6);
    assert_eq!(last.to_string().parse(), Ok(*last));
}
