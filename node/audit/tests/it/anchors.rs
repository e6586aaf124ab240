//! Anchors of ledgers: which are taken for such, and what of a ledger is held against them.

use crate::chain::{World, key, node};
use symbi_audit::{Hex, What, verify};
use symbi_model::ledger::anchor;
use symbi_model::{Hash, merkle};

#[test]
fn what_is_left_of_a_ledger_is_held_against_anchors_over_what_is_gone_too() {
    let mut world = World::full(0xc1, "symbi");
    let all = world.lines_of(1).clone();
    // The anchor after three lines is followed by one that says the ledger has come far enough for them to go.
    let (gone, leaves) = (3, all.iter().map(|line| anchor::leaf(&line.hash)).collect::<Vec<_>>());
    let far = (1 << 20) + 100;
    let cluster = *world.cluster.0.as_bytes();
    let said = crate::bytes::ledger(cluster, 1, (far, Hash([1; 32]), Hash([2; 32])), &key(1));
    let whole = vec![merkle::root(&leaves[..2]), leaves[2]];
    let begins_late = |anchored: bool, previous: Hash, whole: Vec<Hash>| {
        let mut world = World::placed(0xc1, "symbi");
        world.ledgers.insert(node(1), all[..gone].to_vec());
        world.anchor_ledgers(&[1]);
        world.ledgers.insert(node(1), all[..gone + 2].to_vec());
        world.anchor_ledgers(&[1]);
        if anchored {
            world.record_anchors(&[(said.clone(), "DONE")]);
        }
        world.lines_of(1).drain(..gone);
        world.let_go.insert(node(1), (gone as u64, previous, whole));
        verify(world.bundle().as_slice(), None).expect_err("it ends before its last anchor").what
    };
    let (previous, let_go) = (all[gone - 1].hash, What::LetGo { after: gone as u64 });
    let cut = What::Cut { node: Hex(node(1).0), entries: gone as u64 + 2, anchored: far };
    assert_eq!(begins_late(true, previous, whole.clone()), cut, "all that is there holds");
    assert_eq!(begins_late(false, previous, whole.clone()), let_go, "too little is kept");
    assert_eq!(begins_late(true, Hash([1; 32]), whole.clone()), let_go);
    assert_eq!(begins_late(true, previous, whole[..1].to_vec()), let_go);
    assert_eq!(begins_late(true, previous, vec![whole[0], Hash([1; 32])]), let_go);
}

/// What comes of a record of anchors that is not as it should be, in a chain whose leader signs it so.
fn recorded(change: impl FnOnce(&mut World) -> Vec<(String, &'static str)>) -> What {
    let mut world = World::full(0xc1, "symbi");
    let anchors = change(&mut world);
    world.record_anchors(&anchors);
    verify(world.bundle().as_slice(), Some(&world.anchor())).expect_err("it does not hold").what
}

#[test]
fn anchors_are_taken_when_their_nodes_have_signed_them_and_then_only() {
    let answer =
        |number: u8, found: &str, wanted| What::Answer { node: Hex(node(number).0), found: found.to_owned(), wanted };
    let all = |world: &World, number: u8| world.said(number, world.ledgers[&node(number)].len());
    let said = recorded(|world| vec![(all(world, 1), "STALE_ANCHOR")]);
    assert_eq!(said, answer(1, "STALE_ANCHOR", "DONE"), "a leader cannot have it left out");
    let said = recorded(|world| vec![(all(world, 1), "DONE"), (all(world, 1), "DONE")]);
    assert_eq!(said, answer(1, "DONE", "STALE_ANCHOR"));
    let forged = recorded(|world| {
        let tip = (900, Hash([1; 32]), Hash([2; 32]));
        let by_leader = crate::bytes::ledger(*world.cluster.0.as_bytes(), 1, tip, &key(1));
        vec![(by_leader.replace(&node(1).to_string(), &node(2).to_string()), "DONE")]
    });
    assert_eq!(forged, answer(2, "DONE", "BAD_SIGNATURE"));
    let field = |field| What::Field { kind: "ledger.anchor", field };
    assert_eq!(recorded(|world| vec![(format!("{}:0", all(world, 1)), "DONE")]), field("anchors"));
    assert_eq!(recorded(|world| vec![(all(world, 1), "DONE,DONE")]), field("answers"));
    assert_eq!(recorded(|_| vec![(String::new(), "DONE")]), field("anchors"));
}

#[test]
fn a_root_that_does_not_go_on_from_the_one_before_is_none_of_this_ledger() {
    let mut world = World::full(0xc1, "symbi");
    let lines = world.lines_of(1).clone();
    let before = world.anchored_lines(1);
    // As the node itself could sign it: over what came since its last anchor alone.
    let leaves: Vec<_> = lines[before..].iter().map(|line| anchor::leaf(&line.hash)).collect();
    let tip = (lines.len() as u64, lines[lines.len() - 1].hash, merkle::root(&leaves));
    let said = crate::bytes::ledger(*world.cluster.0.as_bytes(), 1, tip, &key(1));
    world.record_anchors(&[(said, "DONE")]);
    let failure = verify(world.bundle().as_slice(), None).expect_err("another root");
    assert_eq!(failure.what, What::NotAnchored { entries: lines.len() as u64 });
}
