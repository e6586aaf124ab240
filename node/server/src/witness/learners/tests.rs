//! Who matches, and who is told what.

use super::{Learners, Teller};
use crate::witness::book::Book;
use ed25519_dalek::SigningKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use symbi_model::agent::Resources;
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::{Checkpoint, Claim, ClusterId, GroupId, Hash, NodeId, State};
use symbi_proto::wire::{Blob, Signed};
use symbi_raft::Status;
use uuid::Uuid;

const LEARNER: NodeId = NodeId([7; 32]);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn voter() -> NodeId {
    NodeId(key().verifying_key().to_bytes())
}

fn checkpoint(size: u64) -> Arc<Checkpoint> {
    Arc::new(Checkpoint {
        cluster: ClusterId(Uuid::from_u128(1)),
        generation: 0,
        group: GroupId(0),
        gate: 1,
        size,
        root: Hash([1; 32]),
        head: Hash([2; 32]),
        index: size + 2,
        term: 1,
        time_ms: 5,
        state: Hash([3; 32]),
        voters: vec![vec![voter()]],
        next: None,
        hop: Hash::default(),
        hops: false,
    })
}

/// Has the only voter sign a checkpoint.
fn witness(book: &mut Book, checkpoint: &Arc<Checkpoint>) {
    book.close(checkpoint);
    let claim = checkpoint.claim();
    book.hear(voter(), Signed { claim, signature: Blob(claim.sign(&key()).to_vec()) });
}

fn state(membership: Membership) -> State {
    let mut state = State::default();
    let node = Node {
        name: "n2".to_owned(),
        profile: Profile::plain(([127, 0, 0, 1], 7400).into(), vec![4; 65], Resources::default()),
        membership,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: 1,
    };
    state.nodes.insert(LEARNER, node);
    state
}

#[test]
fn who_has_closed_what_is_witnessed_matches_also_when_it_said_so_first() {
    let (mut book, mut learners, state) = (Book::default(), Learners::default(), state(Membership::Joining));
    let one = checkpoint(5);
    learners.hear(LEARNER, Some(one.claim()));
    assert_eq!(learners.look(&book, &state), BTreeSet::new(), "nobody has signed it yet");
    book.close(&one);
    assert_eq!(learners.look(&book, &state), BTreeSet::new(), "nobody has signed it yet");
    witness(&mut book, &one);
    assert_eq!(learners.look(&book, &state), BTreeSet::from([LEARNER]));
    learners.hear(LEARNER, Some(checkpoint(9).claim()));
    assert_eq!(learners.look(&book, &state), BTreeSet::from([LEARNER]), "what it says next takes nothing back");
    learners.hear(LEARNER, None);
    assert_eq!(learners.look(&book, &state), BTreeSet::new(), "it took a snapshot since");
}

#[test]
fn who_has_closed_something_else_matches_no_more() {
    let (mut book, mut learners, state) = (Book::default(), Learners::default(), state(Membership::Member));
    let (one, two) = (checkpoint(5), checkpoint(9));
    witness(&mut book, &one);
    learners.hear(LEARNER, Some(Claim { digest: Hash([9; 32]), ..one.claim() }));
    assert_eq!(learners.look(&book, &state), BTreeSet::new());
    learners.hear(LEARNER, Some(one.claim()));
    assert_eq!(learners.look(&book, &state), BTreeSet::from([LEARNER]));
    witness(&mut book, &two);
    learners.hear(LEARNER, Some(Claim { digest: Hash([9; 32]), ..two.claim() }));
    assert_eq!(learners.look(&book, &state), BTreeSet::new());
}

#[test]
fn strangers_and_those_who_were_removed_are_forgotten() {
    let (mut book, mut learners) = (Book::default(), Learners::default());
    let one = checkpoint(5);
    witness(&mut book, &one);
    learners.hear(NodeId([8; 32]), Some(one.claim()));
    learners.hear(LEARNER, Some(one.claim()));
    assert_eq!(learners.look(&book, &state(Membership::Member)), BTreeSet::from([LEARNER]));
    assert_eq!(learners.look(&book, &state(Membership::Removed)), BTreeSet::new());
    assert_eq!(learners.look(&book, &state(Membership::Member)), BTreeSet::new());
}

#[test]
fn the_leader_of_each_term_is_told_once_of_what_this_replica_has_closed_itself() {
    let (mut teller, mut state) = (Teller::default(), State::default());
    let status = |term| Status { term, leader: Some(voter()), voters: vec![vec![voter()]], ..Status::default() };
    let next = |teller: &mut Teller, state: &State, term, installed| {
        teller.next(&LEARNER, &status(term), state, installed, &[])
    };
    let one = checkpoint(5);
    let claim = Some(one.claim());
    state.checkpoint = Some(one.clone());
    assert_eq!(next(&mut teller, &state, 1, Some(one.index)), Some((voter(), None)), "it came with a snapshot");
    teller.told(Some((1, None)));
    assert_eq!(next(&mut teller, &state, 1, Some(one.index)), None, "so it was said");
    assert_eq!(next(&mut teller, &state, 1, Some(one.index - 1)), Some((voter(), claim)));
    assert_eq!(next(&mut teller, &state, 1, None), None, "it is on its way");
    teller.told(None);
    assert_eq!(next(&mut teller, &state, 1, None), Some((voter(), claim)), "it was not heard");
    teller.told(Some((1, claim)));
    assert_eq!(next(&mut teller, &state, 1, None), None, "it was heard");
    assert_eq!(next(&mut teller, &state, 2, None), Some((voter(), claim)), "another leads");
    teller.told(Some((2, claim)));
    let two = checkpoint(9);
    state.checkpoint = Some(two.clone());
    assert_eq!(next(&mut teller, &state, 2, None), Some((voter(), Some(two.claim()))));
    teller.told(None);
    let votes = Status { voters: vec![vec![voter(), LEARNER]], ..status(2) };
    assert_eq!(teller.next(&LEARNER, &votes, &state, None, &[]), None, "a voter signs instead");
    let leads = Status { leader: Some(LEARNER), ..status(2) };
    assert_eq!(teller.next(&LEARNER, &leads, &state, None, &[]), None);
}

#[test]
fn who_lacks_records_has_closed_nothing() {
    let (mut teller, mut state) = (Teller::default(), State::default());
    let status = Status { term: 1, leader: Some(voter()), voters: vec![vec![voter()]], ..Status::default() };
    let one = checkpoint(5);
    state.checkpoint = Some(one.clone());
    let lacks = [(2, 3)];
    assert_eq!(teller.next(&LEARNER, &status, &state, Some(3), &lacks), Some((voter(), None)));
    teller.told(Some((1, None)));
    let whole = Some((voter(), Some(one.claim())));
    assert_eq!(teller.next(&LEARNER, &status, &state, Some(3), &[]), whole, "they have come");
}
