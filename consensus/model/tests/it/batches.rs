//! What is checked of a batch, and of the right to propose.

use crate::world::{CLUSTER, World, check, node, run};
use expect_test::{expect, expect_file};
use symbi_model::entry::Payload;
use symbi_model::field::Value;
use symbi_model::names::{Code, Field, Kind};
use symbi_model::record::Record;
use symbi_model::{Batch, ClusterId, Command, GroupId, Hash, Item, State, codec, hash, merkle};

#[test]
fn a_cluster_is_made_once_and_by_nothing_else() {
    expect![[r#"
        > blank
        > n1: create a1
          ORIGIN_NOT_MEMBER: the proposing node is not a member
        > n2: genesis
          ORIGIN_NOT_MEMBER: the proposing node is not a member
        > n1 forged: genesis
          BAD_SIGNATURE: the batch's signature does not verify
        > genesis
          done
            Meta/cluster: 101 bytes
            Nodes/n1: n1 Member Up offers 1000 MiB
            PolicySets/1: 92 bytes
            ApiTokens/07070707: admin for all
            Users/admin: by node:n1 at 5
        > genesis
          CLUSTER_EXISTS: the cluster exists already
    "#]]
    .assert_eq(&run(
        &mut World::new(),
        "blank
         n1: create a1
         n2: genesis
         n1 forged: genesis
         genesis
         genesis",
    ));
}

#[test]
fn a_batch_of_a_stranger_or_with_a_wrong_signature_fails_whole() {
    check(
        "n2: c1:1 create a1; c2:1 create a2
         n1 forged: c1:1 create a1; c2:1 create a2
         n1: c1:1 create a1; c2:1 create a2",
        &expect![[r#"
            > n2: c1:1 create a1; c2:1 create a2
              ORIGIN_NOT_MEMBER: the proposing node is not a member
              ORIGIN_NOT_MEMBER: the proposing node is not a member
            > n1 forged: c1:1 create a1; c2:1 create a2
              BAD_SIGNATURE: the batch's signature does not verify
              BAD_SIGNATURE: the batch's signature does not verify
            > n1: c1:1 create a1; c2:1 create a2
              created
              created
                Agents/a1: wanted Running, not placed, no word, version 1
                Agents/a2: wanted Running, not placed, no word, version 1
                Dedup/c1: 1 DONE
                Dedup/c2: 1 DONE
        "#]],
    );
}

#[test]
fn a_node_that_is_joining_may_only_introduce_itself() {
    check(
        "n1: token t1 uses 2 until 60; enrol n2 with t1; enrol n3 with t1
         n2: introduce n2 memory 500; introduce n3 memory 500; create a1; report a1 1 running
         n1 decided 1: finish n2
         n2: introduce n2 memory 600; introduce n3 memory 600; create a1
         n1 decided 1: clear n3
         n3: introduce n3 memory 700",
        &expect![[r#"
            > n1: token t1 uses 2 until 60; enrol n2 with t1; enrol n3 with t1
              done
              done
              done
                Nodes/n2: n2 Joining Up offers 1000 MiB
                Nodes/n3: n3 Joining Up offers 1000 MiB
                JoinTokens/t1: 2 uses, joins [n2 joining, n3 joining]
            > n2: introduce n2 memory 500; introduce n3 memory 500; create a1; report a1 1 running
              done
              ORIGIN_NOT_MEMBER: the proposing node is not a member
              ORIGIN_NOT_MEMBER: the proposing node is not a member
              ORIGIN_NOT_MEMBER: the proposing node is not a member
                Nodes/n2: n2 Joining Up offers 500 MiB
            > n1 decided 1: finish n2
              done
                Nodes/n2: n2 Member Up offers 500 MiB
                JoinTokens/t1: 2 uses, joins [n2 finished, n3 joining]
            > n2: introduce n2 memory 600; introduce n3 memory 600; create a1
              done
              FOREIGN_NODE: a node may say this of itself only
              created
                Nodes/n2: n2 Member Up offers 600 MiB
                Agents/a1: wanted Running, not placed, no word, version 1
            > n1 decided 1: clear n3
              done
                Nodes/n3: n3 Removed Up offers 1000 MiB
                JoinTokens/t1: 2 uses, joins [n2 finished]
            > n3: introduce n3 memory 700
              ORIGIN_NOT_MEMBER: the proposing node is not a member
        "#]],
    );
}

#[test]
fn a_permit_is_needed_and_must_be_of_the_current_set() {
    check(
        "n1: c1:1 create a1 unpermitted
         n1: c2:1 create a2; c3:1 create a3
         policy 2
         n1: c2:1 create a2; c3:2 create a4; c4:1 create a5; c5:1 create a6 set=2
         n1: c4:1 create a5 set=2; c3:1 create a3",
        &expect![[r#"
            > n1: c1:1 create a1 unpermitted
              PERMIT_MISSING: the command came without a permit
            > n1: c2:1 create a2; c3:1 create a3
              created
              created
                Agents/a2: wanted Running, not placed, no word, version 1
                Agents/a3: wanted Running, not placed, no word, version 1
                Dedup/c2: 1 DONE
                Dedup/c3: 1 DONE
            > policy 2
            > n1: c2:1 create a2; c3:2 create a4; c4:1 create a5; c5:1 create a6 set=2
              created (repeated)
              POLICY_MOVED: the policies have changed since this was permitted; the current set is 2
              POLICY_MOVED: the policies have changed since this was permitted; the current set is 2
              created
                Agents/a6: wanted Running, not placed, no word, version 1
                Dedup/c5: 1 DONE
            > n1: c4:1 create a5 set=2; c3:1 create a3
              created
              created (repeated)
                Agents/a5: wanted Running, not placed, no word, version 1
                Dedup/c4: 1 DONE
        "#]],
    );
}

/// Only a leader that lies puts such an entry into the log: it must not stop every replica for ever.
#[test]
fn an_entry_that_cannot_be_read_is_one_record_and_changes_nothing_else() {
    let mut world = World::started();
    let mut of_garbage = world.batch(1, None, vec![]);
    of_garbage.items.push(Item { request: None, permit: None, salt: [0; 16], command: vec![1, 250] });
    let trailing = [codec::encode_batch(&world.batch(1, None, vec![])), vec![0]].concat();
    for bytes in [vec![], vec![9], vec![1, 2, 3], trailing, codec::encode_batch(&of_garbage)] {
        let before = world.state.clone();
        let applied = world.apply(Payload::Batch(bytes.clone()));
        assert_eq!((applied.error, applied.batch_line, applied.outcomes), (None, None, Vec::new()));
        let [record] = applied.records.as_slice() else { panic!("one record") };
        assert_eq!((record.act.kind, record.result.code), (Kind::BATCH_UNREADABLE, Code::UNREADABLE));
        assert_eq!((record.origin, record.act.command), (None, Hash::of(&[&bytes])), "nobody said it");
        assert_eq!(applied.rows.len(), 2, "counters and chain alone");
        assert_eq!(world.state.counters.log_time_ms, before.counters.log_time_ms);
        assert_eq!(world.state.nodes, before.nodes);
    }
    assert_eq!(world.line("n1: create a1").expect("an entry").outcomes.len(), 1, "and it goes on");
}

/// A batch that says that it is the year 9999, or more, takes log time a day on, and is on record with its origin.
#[test]
fn a_batch_takes_log_time_a_day_on_at_most() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let mut world = World::started();
    let at = |world: &World, time_ms| {
        let batch = Batch { time_ms, ..world.batch(1, None, vec![]) };
        batch.in_acts(1, CLUSTER, GroupId(0), &super::world::key(1))
    };
    let started = world.state.counters.log_time_ms;
    for (said, day) in [(u64::MAX, 1), (u64::MAX, 2), (started, 2), (started + 2 * DAY_MS + 5, 2)] {
        let batch = at(&world, said);
        let applied = world.apply(Payload::Batch(codec::encode_batch(&batch)));
        assert_eq!((applied.records[0].origin, applied.records[0].result.code), (Some(node(1)), Code::DONE));
        assert_eq!(applied.records[0].time_ms, world.state.counters.log_time_ms);
        let expected = if said == started + 2 * DAY_MS + 5 { said } else { started + day * DAY_MS };
        assert_eq!(world.state.counters.log_time_ms, expected);
    }
}

#[test]
fn one_record_a_command_is_chained_and_counted() {
    let mut world = World::new();
    let mut previous = symbi_model::Hash::default();
    let mut count = 0;
    for line in ["blank", "genesis", "n1: create a1; annotate a1 k v; annotate a9 k v", "n2: create a2", "blank"] {
        let applied = world.line(line).expect("an entry");
        for record in &applied.records {
            assert_eq!(record.previous, previous);
            assert_eq!(record.clone().chained(previous), *record);
            previous = record.hash;
            count += 1;
        }
    }
    assert_eq!((world.state.counters.audit_records, count), (7, 7));
    assert_eq!(world.state.counters.audit_head, previous);
}

#[test]
fn log_time_never_falls() {
    let mut world = World::started();
    let mut last = 0;
    for line in ["time 20", "n1: create a1", "time 10", "n1: create a2", "time 30", "n2: create a3", "blank"] {
        world.line(line);
        assert!(world.state.counters.log_time_ms >= last);
        last = world.state.counters.log_time_ms;
    }
    assert_eq!(last, crate::world::START_MS + 20_000);
}

#[test]
fn records_tell_what_happened() {
    let mut world = World::new();
    let mut out = String::new();
    let script = [
        "blank",
        "genesis",
        "n1: token t1 uses 1 until 60; enrol n2 with t1; enrol n3 with t1",
        "n1 decided 1: finish n2",
        "n2: introduce n2 memory 500",
        "n1: c1:1 create a1; c2:1 annotate a1 note hello; c2:1 annotate a1 note hello; create a1",
        "n1 decided 1: place a1 on n2 expecting 0; place a1 on n2 expecting 0",
        "n2: report a1 1 running; report a1 0 running",
        "n1 decided 1: down n2; up n2",
        "n1: stop a1; remove a1; revoke t1",
        "n1 decided 0: clear n2",
    ];
    for line in script {
        for record in world.line(line).expect("an entry").records {
            let Record { index, position, act, result, .. } = &record;
            let request = if act.request.is_none() { "" } else { " by request" };
            out += &format!("{index}.{position} {} {} {} {}{request}\n", act.kind, act.actor, act.subject, result.code);
            out.extend(act.details.texts().map(|(name, value)| format!("    {name}={value}\n")));
            out.extend(result.values.texts().map(|(name, value)| format!("    -> {name}={value}\n")));
        }
    }
    expect_file!["golden/records.txt"].assert_eq(&out);
}

#[test]
fn a_state_of_nothing_has_no_rows() {
    assert_eq!(State::default().rows(), vec![]);
    assert_eq!(State::load([]).expect("no rows"), State::default());
}

#[test]
fn a_key_under_which_everything_verifies_is_refused() {
    let world = World::started();
    let mut batch = world.batch(1, None, vec![]);
    // The identity point as key and as R, and zero as s: a signature of any message by the equation of RFC 8032.
    batch.origin.0 = [0; 32];
    batch.origin.0[0] = 1;
    batch.signature = vec![0; 64];
    batch.signature[0] = 1;
    assert!(!batch.verify(CLUSTER, GroupId(0)));
}

#[test]
fn a_signature_is_for_one_cluster_and_one_group() {
    let batch = World::started().batch(1, Some(3), vec![]);
    assert!(batch.verify(CLUSTER, GroupId(0)));
    assert!(!batch.verify(CLUSTER, GroupId(1)));
    assert!(!batch.verify(ClusterId(uuid::Uuid::nil()), GroupId(0)));
    assert_ne!(batch.anchor(CLUSTER, GroupId(0)), batch.anchor(CLUSTER, GroupId(1)));
}

#[test]
fn members_of_the_group_are_on_record() {
    let payload = Payload::Membership { voters: vec![vec![node(1)], vec![node(1), node(2)]], learners: vec![node(3)] };
    let applied = World::started().apply(payload);
    let [record] = applied.records.as_slice() else { panic!("one record") };
    assert_eq!((record.act.kind, record.origin, applied.batch_line), (Kind::RAFT_MEMBERSHIP, None, None));
    let [first, second, third] = [1, 2, 3].map(node);
    let voters = Value::Nodes(vec![vec![first], vec![first, second]]);
    assert_eq!(voters.to_string(), format!("{first} and {first},{second}"), "in full");
    assert_eq!(record.act.details.get(Field::VOTERS), Some(&voters));
    assert_eq!(record.act.details.get(Field::LEARNERS), Some(&Value::Nodes(vec![vec![third]])));
}

#[test]
fn a_batch_line_is_enough_to_check_the_signature_with_the_records() {
    let mut world = World::started();
    let applied = world.line("n1: c1:1 create a1; annotate a1 k v; create a1").expect("an entry");
    let line = applied.batch_line.expect("a batch");
    let Payload::Batch(bytes) = &world.log[1].payload else { panic!("a batch") };
    let batch = codec::decode_batch(bytes).expect("a batch");
    assert_eq!((line.origin, line.count, line.root), (batch.origin, 3, batch.root()));
    let leaves: Vec<_> = applied.records.iter().map(leaf).collect();
    assert_eq!(merkle::root(&leaves), line.root);
}

/// An act's leaf, from its record's texts alone.
fn leaf(record: &Record) -> Hash {
    let act = &record.act;
    let mut data = Vec::new();
    for text in [act.kind.to_string(), act.actor.to_string(), act.subject.to_string()] {
        hash::put_bytes(&mut data, text.as_bytes());
    }
    hash::put_u64(&mut data, act.details.iter().count() as u64);
    for (name, value) in act.details.texts() {
        hash::put_bytes(&mut data, name.as_bytes());
        hash::put_bytes(&mut data, value.as_bytes());
    }
    let permit = act.permit.map(|permit| permit.decision.to_string());
    for text in [act.request.map(|request| request.to_string()), permit] {
        hash::put_bytes(&mut data, text.unwrap_or_default().as_bytes());
    }
    hash::put_u64(&mut data, act.permit.map_or(0, |permit| permit.policy_set.0));
    data.extend_from_slice(&act.command.0);
    merkle::leaf(&data)
}

/// Without the salt nobody can try out what an annotation or an `env` may have been.
#[test]
fn equal_commands_have_unequal_hashes_on_record() {
    let mut world = World::started();
    world.line("n1: create a1");
    let applied = world.line("n1: annotate a1 k v; annotate a1 k v").expect("an entry");
    let [first, second] = applied.records.as_slice() else { panic!("two records") };
    assert_eq!((&first.act.details, &first.act.subject), (&second.act.details, &second.act.subject));
    assert_ne!(first.act.command, second.act.command);
}

#[test]
fn an_act_is_the_origins_word_and_a_result_is_not() {
    let mut world = World::started();
    let mut batch = world.batch(1, None, Vec::new());
    let proposed = |salt: u8| Item::new(None, None, [salt; 16], &Command::NodeUp { node: node(1) });
    batch.items = vec![proposed(1)];
    let batch = batch.in_acts(1, CLUSTER, GroupId(0), &super::world::key(1));
    for changed in [
        Batch { items: vec![proposed(2)], ..batch.clone() },
        Batch { acts: 2, ..batch.clone() },
        Batch { items: vec![proposed(1), proposed(1)], ..batch.clone() },
    ] {
        assert!(batch.verify(CLUSTER, GroupId(0)) && !changed.verify(CLUSTER, GroupId(0)));
    }
    let applied = world.apply(Payload::Batch(codec::encode_batch(&batch)));
    assert_eq!(applied.records[0].act.leaf(), batch.root(), "one leaf is the root");
    assert_eq!(applied.records[0].result.code, Code::STALE_TERM);
}

#[test]
fn a_batch_of_nothing_has_one_record() {
    let mut world = World::started();
    let records = world.state.counters.audit_records;
    let applied = world.propose(1, None, vec![]);
    let [record] = applied.records.as_slice() else { panic!("one record") };
    assert_eq!((record.act.kind, record.result.code, record.position), (Kind::BATCH_EMPTY, Code::DONE, 0));
    assert_eq!((world.state.counters.audit_records, applied.batch_line.expect("a batch").count), (records + 1, 0));
    let stranger = world.propose(7, None, vec![]);
    assert_eq!(stranger.records[0].result.code, Code::ORIGIN_NOT_MEMBER);
}
