//! The table of verdicts: bounded, with ids that rise whatever the clock does.

use crate::fixture::{NOW_MS, add_agent, agent, apply_policies, cluster, from, gate, node_id, user};
use std::sync::atomic::Ordering;
use symbi_model::{DecisionId, PolicyNumber};
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

#[test]
fn those_that_begin_alike_are_told_in_order_and_not_too_many() {
    let (gate, clock) = gate();
    let state = cluster(STARTER);
    let ids: Vec<_> = (0..40)
        .map(|number| {
            clock.store(NOW_MS + number / 10, Ordering::Relaxed);
            let permit = gate.judge(&state, Administer { principal: user("admin"), what: "token.create" });
            permit.unwrap().reference().decision
        })
        .collect();
    let beginning = |text: &str| {
        let (low, high) = DecisionId::beginning(text).unwrap();
        gate.decisions(&low, &high, 15)
    };
    assert_eq!(beginning(&ids[0].to_string()[..8]), ids[..15]);
    // The time is the first 48 bits of what comes after the node.
    assert_eq!(beginning(&ids[10].to_string()[..22]), ids[10..20]);
    assert_eq!(beginning(&ids[7].to_string()), [ids[7]]);
    assert_eq!(beginning("00000000-"), []);
}

#[test]
fn what_a_set_of_before_says_is_worked_out_by_that_set_and_permits_nothing() {
    let (gate, _) = gate();
    let mut state = cluster(STARTER);
    add_agent(&mut state, "a", "demo", 1, 5);
    add_agent(&mut state, "b", "demo", 2, 6);
    let ask = Ask { from: from("a"), to: agent("b") };
    let id = gate.judge(&state, ask.clone()).unwrap().reference().decision;
    apply_policies(&mut state, 2, "forbid (principal, action, resource);");
    let again = gate.work_out(&state, PolicyNumber(1), id, &ask);
    assert_eq!(again, gate.verdict(&id), "it says what was said then");
    let later = gate.work_out(&state, PolicyNumber(2), id, &ask).unwrap();
    assert_eq!((later.allowed, later.policy_set), (false, PolicyNumber(2)));
    assert_eq!(gate.work_out(&state, PolicyNumber(3), id, &ask), None);
    assert!(gate.judge(&state, ask).is_err());
}
