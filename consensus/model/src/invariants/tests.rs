//! Each invariant refuses a change that breaks it; that no command brings one about is for the tests of `apply`.

use super::breached;
use crate::agent::{Agent, Desired, Hold, Placement, Resources, Restart, Spec};
use crate::ids::{AgentId, Epoch, NodeId, TokenId};
use crate::node::{Liveness, Membership, Node, Profile};
use crate::state::{Change, State};
use crate::token::JoinToken;
use std::collections::BTreeSet;
use uuid::Uuid;

const NODE: NodeId = NodeId([1; 32]);
const OTHER: NodeId = NodeId([2; 32]);

fn node(name: &str) -> Node {
    Node {
        name: name.to_owned(),
        profile: Profile::plain(([127, 0, 0, 1], 1).into(), vec![], Resources { memory_mb: 100, cpu_millis: 100 }),
        membership: Membership::Member,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: 1,
    }
}

fn agent(name: &str, memory_mb: u64, placement: Option<Placement>) -> Agent {
    let spec = Spec {
        resources: Resources { memory_mb, cpu_millis: 1 },
        restart: Restart::Never,
        ..Spec::new(name.parse().expect("a name"), "", vec![])
    };
    Agent { placement, version: 5, ..Agent::new(AgentId(Uuid::from_u128(1)), spec, 1) }
}

/// One that reserves what the agents here do.
fn held(node: NodeId, epoch: u64) -> Option<Placement> {
    Some(Placement::held(node, Epoch(epoch), 1, Resources { memory_mb: 60, cpu_millis: 1 }))
}

/// One node of 100 MiB, agent `a1` of 60 on it under epoch 1, agent `a2` of 60 nowhere.
fn state() -> State {
    let mut state = State::default();
    let mut change = Change::none(&state.counters);
    change.counters.last_epoch = 1;
    change.counters.log_time_ms = 10;
    change.nodes.push((NODE, node("n1")));
    change.put_agent(agent("a1", 60, held(NODE, 1)));
    change.put_agent(agent("a2", 60, None));
    assert_eq!(breached(&state, &change), None);
    state.take(change, &mut BTreeSet::new());
    state
}

fn check(expected: Option<&str>, edit: impl FnOnce(&mut Change)) {
    let state = state();
    let mut change = Change::none(&state.counters);
    edit(&mut change);
    assert_eq!(breached(&state, &change), expected);
}

#[test]
fn capacity() {
    let next = |change: &mut Change| change.counters.last_epoch = 2;
    check(Some("capacity"), |change| {
        next(change);
        change.put_agent(agent("a2", 60, held(NODE, 2)));
    });
    check(Some("capacity"), |change| {
        next(change);
        change.put_agent(agent("a2", 1, held(OTHER, 2)));
    });
    check(None, |change| {
        next(change);
        change.put_agent(agent("a1", 60, held(NODE, 1).map(|held| Placement { hold: Hold::Lost, ..held })));
        change.put_agent(agent("a2", 60, held(NODE, 2)));
    });
}

#[test]
fn epochs() {
    check(Some("epochs"), |change| change.put_agent(agent("a2", 1, held(NODE, 2))));
    check(Some("epochs"), |change| change.put_agent(agent("a2", 1, held(NODE, 1))));
    check(Some("epochs"), |change| {
        change.counters.last_epoch = 2;
        change.put_agent(agent("a2", 1, held(NODE, 2)));
        change.put_agent(agent("a3", 1, held(NODE, 2)));
    });
}

#[test]
fn fences() {
    check(Some("fences"), |change| change.put_agent(agent("a1", 60, held(OTHER, 1))));
    check(Some("fences"), |change| change.put_agent(agent("a1", 60, None)));
    check(Some("fences"), |change| {
        change.counters.last_epoch = 2;
        change.put_agent(agent("a1", 60, held(NODE, 2)));
    });
    let ends = held(NODE, 1).map(|held| Placement { ends: true, ..held });
    check(None, |change| change.put_agent(agent("a1", 60, ends)));
    check(Some("fences"), |change| {
        let reserved = Resources { memory_mb: 1, cpu_millis: 1 };
        change.put_agent(agent("a1", 60, held(NODE, 1).map(|held| Placement { reserved, ..held })));
    });
    let lost = held(NODE, 2).map(|held| Placement { hold: Hold::Lost, ..held });
    check(Some("fences"), |change| {
        change.counters.last_epoch = 2;
        change.put_agent(agent("a2", 60, lost));
    });
}

#[test]
fn names() {
    check(Some("names"), |change| change.nodes.push((OTHER, node("n1"))));
    check(None, |change| change.nodes.push((OTHER, Node { membership: Membership::Removed, ..node("n1") })));
    check(None, |change| {
        change.nodes.push((NODE, node("n2")));
        change.nodes.push((OTHER, node("n1")));
    });
    check(Some("names"), |change| {
        let name = "a9".parse().expect("a name");
        change.agents.push((name, Some(agent("a2", 60, None))));
    });
}

#[test]
fn removals() {
    check(Some("removals"), |change| {
        change.put_agent(Agent { desired: Desired::Removed, ..agent("a2", 60, None) });
    });
}

#[test]
fn rising() {
    check(Some("rising"), |change| change.counters.log_time_ms = 9);
    check(Some("rising"), |change| change.counters.last_epoch = 0);
    check(Some("rising"), |change| change.put_agent(Agent { version: 4, ..agent("a2", 60, None) }));
}

#[test]
fn token_uses() {
    let token = JoinToken {
        verifier: [0; 32],
        uses: 1,
        joins: [(NODE, true), (OTHER, false)].into_iter().collect(),
        expires_ms: 0,
        revoked: false,
        user: String::new(),
        created_at: 1,
    };
    check(Some("token_uses"), |change| change.join_tokens.push((TokenId([0; 6]), token)));
}
