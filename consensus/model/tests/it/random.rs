//! Random entries over few names, so that they meet: whatever comes, the invariants hold, what is on disk is the state
//! (both checked by the world at each entry), and a replica that starts from the rows goes on as the others do.

use crate::world::{CLUSTER, World, genesis, key};
use expect_test::expect;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use symbi_model::entry::Payload;
use symbi_model::{Batch, GroupId, Outcome, Refusal, State, apply, codec};

/// What each history begins with, so that most of what follows has something to meet.
const PRELUDE: &str = "
    n1: token t1 uses 3 until 900; enrol n2 with t1; enrol n3 with t1
    n1 decided 1: finish n2
    n1: create a1 memory 300; create a2 memory 400; create a3 memory 500";

fn node() -> impl Strategy<Value = String> {
    (1..=4u8).prop_map(|number| format!("n{number}"))
}

fn agent() -> impl Strategy<Value = String> {
    (1..=4u8).prop_map(|number| format!("a{number}"))
}

fn epoch() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just("now".to_owned()), 1 => Just("0".to_owned()), 1 => (1..=6u8).prop_map(|epoch| epoch.to_string())]
}

/// A user's command, or a joining node's.
fn users() -> BoxedStrategy<String> {
    let token = || (1..=2u8).prop_map(|number| format!("t{number}"));
    prop_oneof![
        (token(), 1..=3u8, 0..=900u16)
            .prop_map(|(token, uses, until)| format!("token {token} uses {uses} until {until}")),
        token().prop_map(|token| format!("revoke {token}")),
        (node(), node(), token()).prop_map(|(id, name, token)| format!("enrol {id} as {name} with {token}")),
        (agent(), 100..=600u16).prop_map(|(agent, memory)| format!("create {agent} memory {memory}")),
        agent().prop_map(|agent| format!("stop {agent}")),
        agent().prop_map(|agent| format!("remove {agent}")),
        (agent(), 100..=600u16).prop_map(|(agent, memory)| format!("update {agent} memory {memory}")),
        (agent(), 1..=3u8).prop_map(|(agent, version)| format!("update {agent} memory 50 at {version}")),
        (agent(), 100..=600u16).prop_map(|(agent, memory)| format!("rollback {agent} to {memory}")),
        agent().prop_map(|agent| format!("start {agent}")),
        agent().prop_map(|agent| format!("restart {agent}")),
        (agent(), 1..=3u8).prop_map(|(agent, key)| format!("annotate {agent} k{key} v")),
        Just("genesis".to_owned()),
    ]
    .boxed()
}

/// A node's own.
fn nodes_own() -> BoxedStrategy<String> {
    let state = prop_oneof![
        Just("running"),
        Just("suspended"),
        Just("terminated"),
        Just("terminated released"),
        Just("failed")
    ];
    prop_oneof![
        1 => (node(), 0..=1500u16).prop_map(|(node, memory)| format!("introduce {node} memory {memory}")),
        1 => node().prop_map(|node| format!("leave {node}")),
        8 => (agent(), epoch(), state, 1..=3u8).prop_map(|(agent, epoch, state, incarnation)| {
            format!("report {agent} {epoch} {state} incarnation={incarnation}")
        }),
    ]
    .boxed()
}

/// A leader's.
fn leaders() -> BoxedStrategy<String> {
    let phase = prop_oneof![Just("next"), Just("settled"), Just("aborted")];
    let voters = prop_oneof![Just("n1"), Just("n1 n2"), Just("n1 n2 n3"), Just("n2 n4")];
    prop_oneof![
        8 => (agent(), node(), epoch())
            .prop_map(|(agent, node, epoch)| format!("place {agent} on {node} expecting {epoch}")),
        2 => node().prop_map(|node| format!("finish {node}")),
        1 => node().prop_map(|node| format!("clear {node}")),
        1 => node().prop_map(|node| format!("down {node}")),
        3 => node().prop_map(|node| format!("up {node}")),
        1 => Just("seal".to_owned()),
        2 => (1..=3u8, node(), 1..=9u8).prop_map(|(one, other, entries)| format!("anchor n{one} {entries} {other} 5")),
        2 => (phase, voters).prop_map(|(phase, voters)| format!("{phase} {voters}")),
    ]
    .boxed()
}

/// A batch: a key for some of the users' commands, and a head that is at times a wrong one.
fn batch() -> impl Strategy<Value = String> {
    let keyed = (1..=3u8, any::<bool>(), 1..=4u8, users()).prop_map(|(client, late, sequence, command)| {
        format!("c{client}+{}:{sequence} {command}", if late { 700 } else { 0 })
    });
    let ordinary = prop_oneof![2 => users(), 1 => keyed, 2 => nodes_own()];
    let ordinary = (1..=3u8, prop::collection::vec(ordinary, 1..4))
        .prop_map(|(origin, items)| format!("n{origin}: {}", items.join("; ")));
    let decided = (1..=2u8, prop::collection::vec(leaders(), 1..4))
        .prop_map(|(origin, items)| format!("n{origin} decided 1: {}", items.join("; ")));
    let stale = leaders().prop_map(|command| format!("n1 decided 9: {command}"));
    let mixed = (leaders(), users()).prop_map(|(leaders, users)| format!("n1 decided 1: {leaders}; {users}"));
    let forged = users().prop_map(|command| format!("n1 forged: {command}"));
    prop_oneof![12 => ordinary, 8 => decided, 1 => stale, 1 => mixed, 1 => forged]
}

/// A line of a script.
fn line() -> impl Strategy<Value = String> {
    let seats = prop_oneof![Just("seats n1"), Just("seats n1 and n1 n2"), Just("seats n1 n2")];
    let seats = seats.prop_map(str::to_owned);
    prop_oneof![24 => batch(), 1 => Just("blank".to_owned()), 2 => (0..1500u16).prop_map(|time| format!("time {time}")), 1 => seats]
}

/// A cluster after the prelude.
fn begun() -> World {
    let mut world = World::started();
    PRELUDE.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| drop(world.line(line)));
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_agree_whatever_comes(lines in prop::collection::vec(line(), 1..60), restart in 0..60usize) {
        let mut world = begun();
        let mut follower: Option<State> = None;
        for (number, line) in lines.iter().enumerate() {
            if number == restart {
                follower = Some(State::load(world.state.rows()).expect("rows of a state"));
            }
            let Some(applied) = world.line(line) else { continue };
            let broken = |outcome: &Outcome| matches!(outcome, Outcome::Refused(Refusal::InvariantBroken { .. }));
            prop_assert!(!applied.outcomes.iter().any(broken), "{line}: {:?}", applied.outcomes);
            if let Some(follower) = &mut follower {
                let entry = world.log.last().expect("the entry just applied");
                prop_assert_eq!(&apply(follower, entry), &applied);
            }
        }
        let mut replayed = State::default();
        for entry in &world.log {
            apply(&mut replayed, entry);
        }
        prop_assert_eq!(replayed.hash(), world.state.hash());
        prop_assert_eq!(&replayed, &world.state);
    }

    #[test]
    fn any_bytes_are_an_entry_of_which_nothing_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::started();
        let mut before = world.state.clone();
        let applied = world.apply(Payload::Batch(bytes));
        prop_assert_eq!((applied.error, applied.outcomes, applied.records.len()), (None, vec![], 1));
        (before.counters, before.chain) = (world.state.counters.clone(), world.state.chain.clone());
        prop_assert_eq!(before.rows(), world.state.rows());
    }

    #[test]
    fn a_changed_batch_does_not_verify(position in 0..10_000usize, bit in 0..8u8) {
        let good = Batch::genesis(genesis(), [7; 16], &key(1), 7);
        let mut bytes = codec::encode_batch(&good);
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        prop_assume!(position > 0);
        let verified = codec::decode_batch(&bytes).is_ok_and(|batch| batch != good && batch.verify(CLUSTER, GroupId(0)));
        prop_assert!(!verified, "byte {position}, bit {bit}");
    }
}

#[test]
fn random_histories_reach_what_they_are_to_test() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let lines = prop::collection::vec(line(), 1..60).new_tree(&mut runner).expect("a strategy").current();
        let mut world = begun();
        let applied = lines.iter().filter_map(|line| world.line(line));
        seen.extend(
            applied
                .flat_map(|applied| applied.records)
                .map(|record| format!("{} {}", record.act.kind, record.result.code)),
        );
    }
    let done: Vec<_> = seen.iter().filter_map(|seen| seen.strip_suffix(" DONE")).collect();
    let refused: BTreeSet<_> = seen.iter().filter_map(|seen| seen.split(' ').nth(1)).collect();
    expect![[r#"["agent.annotate", "agent.create", "agent.place", "agent.remove", "agent.report", "agent.restart", "agent.start", "agent.stop", "agent.update", "audit.seal", "audit.voters", "ledger.anchor", "node.clear", "node.down", "node.enrol", "node.introduce", "node.join", "node.leaving", "node.up", "raft.blank", "raft.membership", "token.create", "token.revoke"]"#]].assert_eq(&format!("{done:?}"));
    expect![[r#"{"BAD_SIGNATURE", "CLUSTER_EXISTS", "DONE", "FOREIGN_NODE", "JOIN_EXPIRED", "KEY_FROM_FUTURE", "KEY_REUSED", "KEY_TOO_OLD", "NAME_TAKEN", "NODE_LEAVING", "NODE_UNAVAILABLE", "NOT_FOUND", "NOT_WANTED", "NO_PREVIOUS", "NO_ROOM", "ORIGIN_NOT_MEMBER", "SPEC_HASH", "STALE_EPOCH", "STALE_TERM", "STILL_HELD", "TOKEN_EXPIRED", "TOKEN_REVOKED", "TOKEN_UNKNOWN", "VERSION_MOVED", "VOTERS_NAMED", "VOTERS_OTHER"}"#]].assert_eq(&format!("{refused:?}"));
}

#[test]
fn the_state_hash_of_a_known_history_stays_what_it_is() {
    let mut world = World::started();
    world.line("n1: c1:1 create a1; annotate a1 k v");
    world.line("n1 decided 1: place a1 on n1 expecting 0");
    world.term = 2;
    let applied = world.apply(Payload::Blank);
    assert_eq!(applied.rows.len(), 2, "a blank entry writes counters and chain only");
    expect![[r#"
        3c3933ffd19b0e7e2911d670a037a6e5ee62a7aec714f517a67b126ea8d001e5
        660aff2d23ef3404efcd1884974e88f4d65fa14b519ce091b0ac6ba3ce866e4d"#]]
    .assert_eq(&format!("{}\n{}", world.state.hash(), world.state.cluster.expect("a cluster").anchor));
}
