//! What a leader makes of what it is told of ledgers.

use super::Anchors;
use ed25519_dalek::SigningKey;
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::entry::{Entry, Payload};
use symbi_model::ledger::{ANCHORS, Anchor, Anchored, Tip};
use symbi_model::node::{Membership, Profile};
use symbi_model::secret::Secret;
use symbi_model::{Batch, ClusterId, Hash, NodeId, State, apply, codec};
use uuid::Uuid;

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(7));

fn key(number: u16) -> SigningKey {
    let mut seed = [9; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn id(number: u16) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

/// A cluster of so many members.
fn cluster(members: u16) -> State {
    let resources = Resources { memory_mb: 1_000, cpu_millis: 1_000 };
    let genesis = Genesis {
        cluster: CLUSTER,
        name: "test".to_owned(),
        domain: "test.internal".to_owned(),
        node: id(0),
        node_name: "n0".to_owned(),
        profile: Profile::plain(([127, 0, 0, 1], 7400).into(), vec![4; 65], resources),
        gate: symbi_model::gate::CURRENT,
        admin_token: Hash::default(),
        policies: String::new(),
        secret: Secret([7; 32]),
    };
    let payload = Payload::Batch(codec::encode_batch(&Batch::genesis(genesis, [0; 16], &key(0), 1_000)));
    let mut state = State::default();
    apply(&mut state, &Entry { term: 1, index: 1, payload });
    let first = state.nodes[&id(0)].clone();
    (1..members).for_each(|number| drop(state.nodes.insert(id(number), first.clone())));
    state
}

fn anchor(number: u16, entries: u64) -> Anchor {
    let tip = Tip { entries, head: Hash([1; 32]), root: Hash([2; 32]) };
    Anchor::sign(CLUSTER, 0, &tip, &key(number))
}

/// The cluster has agreed on them.
fn take(state: &mut State, anchors: &[Anchor], index: u64) {
    for anchor in anchors {
        state.ledgers.insert(anchor.node, Anchored { anchor: *anchor, index, position: 0, time_ms: 1 });
    }
}

fn said(anchors: &[Anchor]) -> Vec<(NodeId, u64)> {
    let mut said: Vec<_> = anchors.iter().map(|anchor| (anchor.node, anchor.entries)).collect();
    said.sort();
    said
}

fn seconds(tenths: u64) -> Duration {
    Duration::from_millis(100 * tenths)
}

#[test]
fn one_command_a_second_has_the_newest_of_every_node_and_there_is_none_where_nothing_is_new() {
    let (mut state, mut anchors) = (cluster(3), Anchors::default());
    assert_eq!(anchors.plan(&state, seconds(0)), []);
    for (number, entries) in [(0, 4), (1, 5), (1, 9), (1, 7)] {
        anchors.hear(id(number), anchor(number, entries), &state);
    }
    let first = anchors.plan(&state, seconds(1));
    assert_eq!(said(&first), said(&[anchor(0, 4), anchor(1, 9)]));
    anchors.hear(id(2), anchor(2, 1), &state);
    assert_eq!(anchors.plan(&state, seconds(30)), [], "one is on its way");
    anchors.ended();
    take(&mut state, &first, 5);
    assert_eq!(anchors.plan(&state, seconds(10)), [], "the last was within a second");
    let second = anchors.plan(&state, seconds(11));
    assert_eq!(said(&second), said(&[anchor(2, 1)]));
    anchors.ended();
    // Its fate was open, so it comes again.
    assert_eq!(anchors.plan(&state, seconds(21)), second);
    anchors.ended();
    take(&mut state, &second, 6);
    anchors.hear(id(1), anchor(1, 9), &state);
    assert_eq!(anchors.plan(&state, seconds(99)), [], "nothing is new");
}

#[test]
fn what_apply_would_refuse_is_not_proposed() {
    let (mut state, mut anchors) = (cluster(3), Anchors::default());
    if let Some(node) = state.nodes.get_mut(&id(2)) {
        node.membership = Membership::Joining;
    }
    take(&mut state, &[anchor(1, 8)], 3);
    let tip = Tip { entries: 10, head: Hash([1; 32]), root: Hash([2; 32]) };
    let wrong = [
        (id(1), anchor(0, 9)),
        (id(1), anchor(1, 8)),
        (id(2), anchor(2, 9)),
        (id(7), anchor(7, 9)),
        (id(1), Anchor { entries: 99, ..anchor(1, 9) }),
        (id(1), Anchor::sign(CLUSTER, 1, &tip, &key(1))),
        (id(1), Anchor::sign(ClusterId(Uuid::from_u128(8)), 0, &tip, &key(1))),
    ];
    for (from, anchor) in wrong {
        anchors.hear(from, anchor, &state);
        assert_eq!(anchors.plan(&state, seconds(0)), [], "{anchor:?}");
    }
    anchors.hear(id(1), anchor(1, 9), &state);
    state.nodes.remove(&id(1));
    assert_eq!(anchors.plan(&state, seconds(0)), [], "it is a member no more");
}

#[test]
fn of_more_ledgers_than_one_command_has_those_come_first_that_were_agreed_on_longest_ago() {
    const NODES: u16 = 300;
    let (mut state, mut anchors) = (cluster(NODES), Anchors::default());
    for round in 1..=3 {
        (0..NODES).for_each(|number| anchors.hear(id(number), anchor(number, round), &state));
        let planned = anchors.plan(&state, seconds(500 * round));
        assert_eq!(planned.len(), ANCHORS);
        anchors.ended();
        assert_eq!(anchors.plan(&state, seconds(500 * round + 400)), [], "no more than six a second");
        take(&mut state, &planned, round);
        let waited = state.ledgers.values().map(|anchored| round - anchored.index).max();
        assert!(round == 1 || (state.ledgers.len() == usize::from(NODES) && waited <= Some(1)), "{round}: {waited:?}");
    }
}
