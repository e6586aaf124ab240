//! Checkpoints: what they prove, on whose keys it rests, and what is refused of them.

use crate::bytes;
use crate::chain::{World, key, node, set};
use expect_test::expect;
use symbi_audit::{Checkpoint, Failure, Hex, Lack, Report, What, Witnessed, verify, verify_pinned};

/// Where each checkpoint of a full world stands in its list.
const NEXT: usize = 1;
const JOINT: usize = 3;
const SETTLED: usize = 4;
const LAST: usize = 5;

fn checked(world: &World) -> Result<Report, Failure> {
    verify(world.bundle().as_slice(), Some(&world.anchor()))
}

fn full() -> World {
    World::full(0xc1, "symbi")
}

#[test]
fn the_verdict_says_on_whose_word_what_rests() {
    let world = full();
    let report = checked(&world).expect("whole");
    let last = &world.checkpoints[LAST];
    let (records, time_ms) = (last.size, last.time_ms);
    assert_eq!(report.witnessed, Some(Witnessed { records, time_ms, by: 2, of: 3 }));
    assert_eq!(report.after, world.records() - 2 - records, "two records of Raft's come before the genesis");
    expect!["witnessed to record 37 at 2027-01-15T08:00:32Z by 2 of 3 voters; weakest hop: rests on n1's key alone until record 30; after that 1 record on n2's word"]
    .assert_eq(&report.verdict());
}

#[test]
fn without_checkpoints_all_of_it_rests_on_the_exporter() {
    let mut world = full();
    world.checkpoints.clear();
    let report = checked(&world).expect("consistent");
    assert_eq!((report.witnessed.clone(), report.weakest.clone()), (None, None));
    assert_eq!(report.verdict(), "witnessed by nobody: all of it rests on n2's word");
    assert_eq!(report.lacks(Some(1)), [Lack::Stale { witnessed_ms: None, wanted_ms: 1 }]);
}

#[test]
fn a_pin_takes_those_before_it_out_of_the_verdict() {
    let world = full();
    let bundle = world.bundle();
    let report = verify_pinned(bundle.as_slice(), None, Some(&world.digest(SETTLED))).expect("it is there");
    let weakest = report.weakest.expect("there is one");
    assert_eq!((weakest.keys, weakest.voters.len(), weakest.until), (2, 3, world.checkpoints[LAST].size));
    let report = verify_pinned(bundle.as_slice(), None, Some(&world.digest(NEXT))).expect("it is there");
    assert_eq!(report.weakest.expect("there is one").voters, ["n1"]);
    for pin in ["00".repeat(32), "x".to_owned(), World::full(0xc2, "symbi").digest(SETTLED)] {
        let failure = verify_pinned(bundle.as_slice(), None, Some(&pin)).expect_err("another history's");
        assert_eq!(failure.what, What::Pin);
    }
}

#[test]
fn what_is_older_than_wanted_is_said_to_be() {
    let report = checked(&full()).expect("whole");
    let witnessed_ms = report.witnessed.as_ref().expect("there is one").time_ms;
    assert_eq!(report.lacks(Some(witnessed_ms)), [], "nothing of n3 and n4 was ever anchored");
    let wanted_ms = witnessed_ms + 1;
    assert_eq!(report.lacks(Some(wanted_ms)), [Lack::Stale { witnessed_ms: Some(witnessed_ms), wanted_ms }]);
    let mut world = full();
    world.ledgers.remove(&node(2));
    let lacks = checked(&world).expect("it could not be reached").lacks(None);
    assert_eq!(lacks, [Lack::Ledgers(vec!["n2".to_owned()])]);
}

#[test]
fn too_few_signatures_and_those_of_others_witness_nothing() {
    for witnesses in [&[][..], &[2], &[2, 9], &[3, 9, 7]] {
        let mut world = full();
        world.witness(LAST, witnesses);
        let witnessed = checked(&world).expect("it still holds").witnessed.expect("there is an older one");
        assert_eq!(witnessed.records, world.checkpoints[SETTLED].size, "{witnesses:?}");
    }
    // While one set follows the other, each must have its majority.
    let mut world = full();
    world.checkpoints.truncate(JOINT + 1);
    for (witnesses, is_witnessed) in [(&[1, 4][..], true), (&[1], false), (&[2, 4], false)] {
        world.witness(JOINT, witnesses);
        let witnessed = checked(&world).expect("it holds").witnessed.expect("there is one");
        assert_eq!(witnessed.records == world.checkpoints[JOINT].size, is_witnessed, "{witnesses:?}");
    }
}

fn refused(change: impl FnOnce(&mut World)) -> What {
    let mut world = full();
    change(&mut world);
    checked(&world).expect_err("it does not hold").what
}

#[test]
fn voters_whom_those_before_have_not_let_in_are_refused() {
    assert_eq!(refused(|world| world.witness(NEXT, &[])), What::Voters);
    assert_eq!(refused(|world| world.witness(NEXT, &[2, 4])), What::Voters, "they cannot let themselves in");
    let without = |at: usize| move |world: &mut World| drop(world.checkpoints.remove(at));
    assert_eq!(refused(without(0)), What::Hop);
    assert_eq!(refused(without(NEXT)), What::Hop);
    assert_eq!(refused(without(SETTLED)), What::Hop);
    let named = |at: usize, voters: Vec<Vec<Hex<32>>>| {
        move |world: &mut World| {
            world.checkpoints[at].voters = voters;
            world.reseal(&[1, 2, 4]);
        }
    };
    assert_eq!(refused(named(LAST, vec![set(&[1, 2])])), What::Voters);
    assert_eq!(refused(named(LAST, vec![set(&[1])])), What::Voters, "those before rule no more");
    assert_eq!(refused(named(NEXT, vec![set(&[1, 2, 4])])), What::Voters, "they do not rule yet");
    assert_eq!(refused(named(JOINT, vec![set(&[1]), set(&[1, 2])])), What::Voters);
    assert_eq!(refused(named(JOINT, vec![set(&[1, 2, 4]), set(&[1])])), What::Voters);
    assert_eq!(refused(named(0, vec![set(&[2])])), What::Voters);
    assert_eq!(refused(named(0, Vec::new())), What::Voters);
    assert_eq!(refused(named(0, vec![Vec::new()])), What::Checkpoint("voters"));
    let twice = [set(&[1]), set(&[1])].concat();
    assert_eq!(refused(named(0, vec![twice])), What::Checkpoint("voters"));
}

#[test]
fn an_abort_leaves_those_who_rule() {
    let mut world = World::placed(0xc1, "symbi");
    world.voters("next", &[1, 2], &[1]);
    world.voters("aborted", &[1, 2], &[1]);
    world.seal(&[1]);
    assert_eq!(checked(&world).expect("it holds").verdict().matches("1 of 1 voters").count(), 1);
    world.voters = vec![vec![1, 2]];
    world.seal(&[1, 2]);
    assert_eq!(checked(&world).expect_err("they were not settled").what, What::Voters);
    // Nobody is settled who was not named.
    let mut world = World::placed(0xc1, "symbi");
    world.voters("next", &[1, 2], &[1]);
    world.voters("settled", &[1, 2, 4], &[1, 2]);
    let field = What::Field { kind: "audit.voters", field: "voters" };
    assert_eq!(checked(&world).expect_err("others were named").what, field);
    world.checkpoints.clear();
    let failure = checked(&world).expect_err("with checkpoints or without");
    assert_eq!(failure, Failure { line: 1 + world.chain.len() as u64, what: field }, "at the record that says so");
}

#[test]
fn what_a_checkpoint_says_follows_from_the_chain_whoever_has_signed_it() {
    let said = |field: &'static str, change: fn(&mut Checkpoint)| {
        for at in 0..=LAST {
            let mut world = full();
            change(&mut world.checkpoints[at]);
            let witnesses: Vec<u8> = if at < JOINT { vec![1] } else { vec![1, 2, 4] };
            world.witness(at, &witnesses);
            assert_eq!(checked(&world).expect_err("changed").what, What::Checkpoint(field), "{at}");
        }
    };
    said("root", |checkpoint| checkpoint.root.0[0] ^= 1);
    said("head", |checkpoint| checkpoint.head.0[0] ^= 1);
    said("index", |checkpoint| checkpoint.index += 1);
    said("term", |checkpoint| checkpoint.term += 1);
    said("time", |checkpoint| checkpoint.time_ms += 1);
    said("generation", |checkpoint| checkpoint.generation += 1);
    said("group", |checkpoint| checkpoint.group += 1);
    said("being a hop", |checkpoint| checkpoint.hops = !checkpoint.hops);
    said("next voters", |checkpoint| {
        checkpoint.next = if checkpoint.next.is_some() { None } else { Some(set(&[2])) };
    });
    let gate = |world: &mut World| world.checkpoints[LAST].gate = 0;
    assert_eq!(refused(gate), What::Checkpoint("gate"));
    // The state's hash is the voters' word.
    let mut world = full();
    world.checkpoints[LAST].state = Hex([8; 32]);
    world.witness(LAST, &[2, 4]);
    assert!(checked(&world).is_ok());
}

#[test]
fn a_checkpoint_stands_at_the_end_of_an_entry_and_in_order() {
    let place = |what: What| assert!(matches!(what, What::CheckpointPlace { .. }), "{what}");
    place(refused(|world| world.checkpoints.swap(NEXT, NEXT + 1)));
    place(refused(|world| {
        let twice = world.checkpoints[LAST].clone();
        world.checkpoints.push(twice);
    }));
    // The batch with three commands has the records 6 to 8.
    for size in [6, 7, 10_000] {
        place(refused(|world| {
            let mut one = world.checkpoints[NEXT].clone();
            one.size = size;
            let at = if size > 1_000 { LAST + 1 } else { usize::from(size > 1) };
            world.checkpoints.insert(at, one);
        }));
    }
}

#[test]
fn a_signature_that_is_not_the_nodes_is_refused() {
    let witness = |what: What| assert!(matches!(what, What::Witness { .. }), "{what}");
    witness(refused(|world| world.checkpoints[LAST].witnesses[0].1.0[5] ^= 1));
    witness(refused(|world| world.checkpoints[LAST].witnesses[0].0 = Hex(node(1).0)));
    witness(refused(|world| world.checkpoints[LAST].witnesses.reverse()));
    witness(refused(|world| {
        let twice = world.checkpoints[LAST].witnesses[0];
        world.checkpoints[LAST].witnesses.insert(0, twice);
    }));
    // Of another checkpoint, and of another cluster's.
    witness(refused(|world| world.checkpoints[LAST].witnesses = world.checkpoints[SETTLED].witnesses.clone()));
    witness(refused(|world| {
        let signature = bytes::witness(&world.checkpoints[LAST], [0; 16], &key(2));
        world.checkpoints[LAST].witnesses = vec![(Hex(node(2).0), signature)];
    }));
}
