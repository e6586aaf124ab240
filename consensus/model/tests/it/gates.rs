//! Gates: what belongs to the next version takes no effect before every member speaks it and somebody has said so.

use crate::world::{CLUSTER, Proposed, World, key, node, profile};
use symbi_model::names::{Code, Field, Kind};
use symbi_model::node::Profile;
use symbi_model::outcome::{Coded, Limit};
use symbi_model::{Command, GroupId, Outcome, Refusal, codec, field::Fields, gate};

fn permitted(command: Command) -> Proposed {
    Proposed { request: None, set: Some(1), shown: None, command }
}

fn finalize(gate: u32) -> Proposed {
    permitted(Command::Finalize { gate, actor: "user:admin".to_owned() })
}

/// What n`number` says of itself when its program speaks this gate.
fn introduce(number: u8, speaks: u32) -> Proposed {
    let profile = Profile { speaks, ..profile(number) };
    Proposed { request: None, set: None, shown: None, command: Command::Introduce { node: node(number), profile } }
}

fn two_members() -> World {
    let mut world = World::started();
    for line in ["n1: token t1 uses 2 until 600", "n1: enrol n2 with t1", "n1 decided 1: finish n2"] {
        world.line(line);
    }
    world
}

#[test]
fn a_gate_opens_when_every_member_speaks_it_and_stays_open() {
    let mut world = two_members();
    assert_eq!(world.state.counters.gate, gate::CURRENT);
    world.propose(1, None, vec![introduce(1, 2)]);
    let refused = world.propose(1, None, vec![finalize(2)]);
    let behind = Refusal::GateUnspoken { node: node(2), speaks: gate::CURRENT };
    assert_eq!(refused.outcomes, [Outcome::Refused(behind)]);
    world.propose(2, None, vec![introduce(2, 3)]);
    assert_eq!(world.propose(1, None, vec![finalize(2), finalize(1)]).outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(world.state.counters.gate, 2);
}

/// It cannot tell garbage from what it does not know.
#[test]
fn a_program_older_than_the_gate_that_is_open_stops() {
    let mut world = two_members();
    for number in [1, 2] {
        world.propose(number, None, vec![introduce(number, 2)]);
    }
    assert_eq!(world.propose(1, None, vec![finalize(2)]).outcomes, [Outcome::Done]);
    let before = world.state.clone();
    let payloads = [symbi_model::entry::Payload::Blank, symbi_model::entry::Payload::Batch(vec![9])];
    for payload in payloads {
        let applied = world.apply(payload);
        assert_eq!(applied.error, Some(codec::Error::Gate { open: 2, spoken: 1 }));
        assert!(applied.rows.is_empty() && world.state == before);
    }
}

#[test]
fn a_node_that_was_removed_holds_up_no_upgrade() {
    let mut world = two_members();
    world.propose(1, None, vec![introduce(1, 2)]);
    world.line("n1 decided 1: down n2");
    let remove = permitted(Command::RemoveNode { node: node(2), actor: "user:admin".to_owned() });
    assert_eq!(world.propose(1, None, vec![remove, finalize(2)]).outcomes, [Outcome::Done, Outcome::Done]);
}

#[cfg(planted)]
#[test]
fn a_command_a_table_and_an_act_version_of_the_next_gate_wait_for_it() {
    gate::speak_next();
    let mark = |key| Proposed { request: None, set: None, shown: None, command: Command::Mark { key } };
    let mut world = two_members();
    let hash = world.state.hash();
    let closed = Outcome::Refused(Refusal::GateClosed { gate: 2 });
    let applied = world.propose(1, None, vec![mark(1)]);
    assert_eq!((applied.outcomes, applied.rows.len()), (Vec::new(), 2), "counters and chain alone");
    assert_eq!(applied.records[0].act.kind, Kind::BATCH_UNREADABLE, "as for a program that does not know it");
    assert!(world.state.marks.is_empty());
    let next = |world: &World, key_byte| {
        let batch = world.batch(1, None, vec![mark(key_byte)]).in_acts(2, CLUSTER, GroupId(0), &key(1));
        symbi_model::entry::Payload::Batch(codec::encode_batch(&batch))
    };
    let applied = world.apply(next(&world, 1));
    assert_eq!(applied.outcomes, [closed], "the batch as a whole");
    let line = applied.batch_line.expect("a batch");
    assert_eq!(
        (applied.records[0].act.kind, line.count, line.acts),
        (Kind::BATCH_UNOPENED, 0, 2),
        "nothing in it was read"
    );
    assert_ne!(world.state.hash(), hash, "the records count");
    for number in [1, 2] {
        world.propose(number, None, vec![introduce(number, 2)]);
    }
    world.propose(1, None, vec![finalize(2)]);
    let older = world.propose(2, None, vec![introduce(2, 1)]).outcomes;
    assert_eq!(older, [Outcome::Refused(Refusal::GateUnspoken { node: node(2), speaks: 1 })], "nobody goes back");
    // What is written from here on is of rows that only a program of the next gate reads. (A test is a process of its own.)
    gate::speak_next();
    let applied = world.apply(next(&world, 1));
    assert_eq!(applied.outcomes, [Outcome::Done]);
    assert_eq!(applied.records[0].act.details.number(Field::GATE), Some(2), "what act version 2 says besides");
    assert_eq!(world.state.marks.len(), 1);
    assert_eq!(world.propose(1, None, vec![mark(1)]).outcomes, [Outcome::Refused(Refusal::NameTaken)]);
}

/// A program that does not know a code, or a value of one that it knows, keeps it and passes it on.
#[test]
fn an_outcome_of_a_later_version_survives() {
    let known = Coded::from(Outcome::Refused(Refusal::Limit { limit: Limit::Spec, max: 9 }));
    let more = Coded { values: known.values.clone().with(Field::COUNT, 3_u64), ..known.clone() };
    let done = Coded { code: Code::DONE, values: Fields::new().with(Field::ROOT, "x") };
    // A number of a code that nobody has given yet: two bytes of bincode's after the marker 251.
    let bytes = codec::encode(&known);
    assert_eq!(bytes[..2], [codec::VERSION, 23], "the code's number follows the version");
    let unknown = [&[codec::VERSION, 251, 0x39, 0x30], &bytes[2..]].concat();
    let unknown: Coded = codec::decode(&unknown, 64).expect("a code");
    assert_eq!(unknown.code.to_string(), "unknown-12345");
    for coded in [more, done, unknown] {
        let outcome = Outcome::from(coded.clone());
        assert_eq!(outcome, Outcome::Unknown(coded.clone()));
        let bytes = codec::encode_outcomes(std::slice::from_ref(&outcome));
        assert_eq!(codec::decode_outcomes(&bytes), Ok(vec![outcome.clone()]));
        assert_eq!((Coded::from(outcome.clone()), outcome.code()), (coded.clone(), coded.code));
    }
}

/// A leader that lies may put a batch with any signature into the log: its line must stay one that can be kept and exported.
#[test]
fn what_is_no_signature_by_its_length_is_kept_as_zeros() {
    for length in [0, 10, 100_000] {
        let mut world = World::started();
        let mut batch = world.batch(1, None, vec![introduce(1, 1)]);
        batch.signature = vec![7; length];
        let applied = world.apply(symbi_model::entry::Payload::Batch(codec::encode_batch(&batch)));
        assert_eq!(applied.outcomes, [Outcome::Refused(Refusal::BadSignature)]);
        assert_eq!(applied.batch_line.expect("a batch").signature, [0; 64]);
    }
}

/// Who asks may be any text; only a node, and Raft, are shown as such.
#[test]
fn nobody_passes_for_a_node_on_record() {
    let mut world = World::started();
    for actor in ["raft".to_owned(), format!("node:{}", node(1))] {
        let token = permitted(Command::Finalize { gate: 1, actor: actor.clone() });
        let applied = world.propose(1, None, vec![token]);
        assert_eq!(applied.records[0].act.actor.to_string(), format!("named:{actor}"));
    }
}
