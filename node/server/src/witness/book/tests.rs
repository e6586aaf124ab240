//! What a book takes, whoever tells it, and what is news to it.

use super::{Book, News};
use crate::witness::entry::Entry;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use symbi_model::planted::{Defect, plant};
use symbi_model::{Checkpoint, Claim, ClusterId, GroupId, Hash, NodeId};
use symbi_proto::wire::{Blob, Signed, Witnessed};
use uuid::Uuid;

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn node(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

fn set(numbers: &[u8]) -> Vec<NodeId> {
    let mut set: Vec<NodeId> = numbers.iter().map(|number| node(*number)).collect();
    set.sort_unstable();
    set
}

fn checkpoint(size: u64, voters: &[u8], hop: Hash) -> Checkpoint {
    Checkpoint {
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
        voters: vec![set(voters)],
        next: None,
        hop,
        hops: false,
    }
}

fn signed(claim: Claim, by: u8) -> Signed {
    Signed { claim, signature: Blob(claim.sign(&key(by)).to_vec()) }
}

fn told(checkpoint: &Checkpoint, by: &[u8]) -> Witnessed {
    let claim = checkpoint.claim();
    let signatures = by.iter().map(|by| (node(*by), signed(claim, *by).signature));
    Witnessed { checkpoint: checkpoint.clone(), signatures: signatures.collect() }
}

/// The genesis of n1, who names n1, n2 and n3; and that these rule.
fn hops() -> [Checkpoint; 3] {
    let genesis = Checkpoint { hops: true, ..checkpoint(1, &[1], Hash::default()) };
    let next = Checkpoint { hops: true, next: Some(set(&[1, 2, 3])), ..checkpoint(9, &[1], genesis.digest()) };
    let settled = Checkpoint { hops: true, ..checkpoint(15, &[1, 2, 3], next.digest()) };
    [genesis, next, settled]
}

fn is_kept(news: &[News]) -> bool {
    matches!(news, [News::Kept(_)])
}

#[test]
fn a_majority_of_the_voters_witnesses_whatever_comes_first() {
    let mut book = Book::default();
    let one = checkpoint(5, &[1, 2, 3], Hash::default());
    let claim = one.claim();
    assert_eq!(book.hear(node(2), signed(claim, 2)), [], "it was not closed here yet");
    assert_eq!(book.close(&Arc::new(one)), []);
    assert_eq!(book.hear(node(2), signed(claim, 2)), [], "it was counted");
    assert_eq!(book.hear(node(4), signed(claim, 4)), [], "no voter");
    assert_eq!(book.hear(node(3), signed(claim, 1)), [], "another's signature");
    assert_eq!(book.witnessed(), 0);
    assert!(is_kept(&book.hear(node(1), signed(claim, 1))));
    assert_eq!(book.witnessed(), 5);
    assert!(is_kept(&book.hear(node(3), signed(claim, 3))), "the third is kept too");
}

#[test]
fn with_signatures_unchecked_a_forged_one_witnesses() {
    let forged = |book: &mut Book| {
        let one = checkpoint(5, &[1, 2, 3], Hash::default());
        let claim = one.claim();
        book.close(&Arc::new(one));
        for by in [1, 2] {
            book.hear(node(by), signed(claim, 9));
        }
        book.witnessed()
    };
    assert_eq!(forged(&mut Book::default()), 0);
    plant(Some(Defect::WitnessUnchecked));
    let unsound = forged(&mut Book::default());
    plant(None);
    assert_eq!(unsound, 5);
}

#[test]
fn a_voter_who_signs_another_history_is_evidence_and_a_stranger_is_not() {
    let mut book = Book::default();
    let own = checkpoint(5, &[1, 2, 3], Hash::default());
    book.close(&Arc::new(own.clone()));
    let other = Checkpoint { root: Hash([9; 32]), ..own.clone() }.claim();
    let conflict = News::Conflict { own: Arc::new(own), node: node(2), signed: signed(other, 2) };
    assert_eq!(book.hear(node(2), signed(other, 2)), [conflict]);
    assert_eq!(book.hear(node(9), signed(other, 9)), []);
    assert_eq!(book.hear(node(3), signed(other, 2)), [], "nobody is blamed for another's signature");
}

#[test]
fn a_node_whose_history_a_majority_has_not_signed_is_outvoted_whoever_tells_it() {
    let own = checkpoint(5, &[1, 2, 3], Hash::default());
    let other = Checkpoint { root: Hash([9; 32]), ..own.clone() };
    let outvoted = || News::Outvoted { own: Arc::new(own.clone()), claim: other.claim() };
    let mut heard = Book::default();
    heard.close(&Arc::new(own.clone()));
    assert!(!heard.hear(node(2), signed(other.claim(), 2)).contains(&outvoted()), "one may lie");
    assert!(!heard.hear(node(2), signed(other.claim(), 2)).contains(&outvoted()), "however often");
    let third = Checkpoint { head: Hash([8; 32]), ..own.clone() };
    assert!(!heard.hear(node(3), signed(third.claim(), 3)).contains(&outvoted()), "that is a third history");
    assert!(heard.hear(node(3), signed(other.claim(), 3)).contains(&outvoted()));
    let mut told_of = Book::default();
    told_of.close(&Arc::new(own.clone()));
    assert!(told_of.learn(vec![told(&other, &[2, 3])], 9).contains(&outvoted()));
}

#[test]
fn a_hop_is_one_because_a_hop_names_it_whatever_it_was_told_as() {
    let [genesis, next, settled] = hops();
    let (mut book, mut late) = (Book::default(), Book::default());
    book.close(&Arc::new(settled.clone()));
    let disguised = Checkpoint { hops: false, ..next.clone() };
    assert_eq!(book.learn(vec![told(&disguised, &[1])], 20).len(), 1);
    assert_eq!(book.hops().map(|hop| hop.claim.size).collect::<Vec<_>>(), [9, 15]);
    // Told before anybody names it, it is taken for one of those between hops.
    late.close(&Arc::new(genesis.clone()));
    late.learn(vec![told(&genesis, &[1])], 20);
    assert_eq!(late.learn(vec![told(&disguised, &[1])], 20).len(), 1);
    assert_eq!(late.last().count(), 1);
    late.close(&Arc::new(settled));
    assert_eq!(late.learn(vec![told(&next, &[1])], 20).len(), 1);
    assert_eq!(late.hops().map(|hop| hop.claim.size).collect::<Vec<_>>(), [1, 9, 15]);
    assert_eq!(late.last().count(), 0);
}

#[test]
fn nobody_is_asked_for_signatures_that_prove_nothing() {
    let [genesis, next, _] = hops();
    let aborted = Checkpoint { hops: true, ..checkpoint(12, &[1], next.digest()) };
    let again = Checkpoint { next: Some(set(&[1, 2])), hops: true, ..checkpoint(14, &[1], aborted.digest()) };
    let settled = Checkpoint { hops: true, ..checkpoint(15, &[1, 2], again.digest()) };
    let mut book = Book::default();
    for hop in [&genesis, &next, &aborted, &again, &settled] {
        book.close(&Arc::new(hop.clone()));
    }
    assert_eq!(book.gap(), Some(16), "the last one");
    book.learn(vec![told(&settled, &[1, 2])], 20);
    assert_eq!(book.gap(), Some(15), "who let them in");
    book.learn(vec![told(&again, &[1])], 20);
    assert_eq!(book.gap(), None, "the same voters ruled before and behind the others");
}

#[test]
fn hops_are_taken_by_the_later_one_that_names_them_and_their_signatures_by_themselves() {
    let [genesis, next, settled] = hops();
    let mut book = Book::default();
    book.close(&Arc::new(settled.clone()));
    assert_eq!(book.gap(), Some(16));
    let forged = Checkpoint { root: Hash([9; 32]), ..next.clone() };
    assert_eq!(book.learn(vec![told(&forged, &[1]), told(&genesis, &[1])], 20), [], "nobody names these yet");
    let news = book.learn(vec![told(&genesis, &[1]), told(&next, &[1, 9])], 20);
    assert_eq!(news.len(), 2, "in any order");
    assert_eq!(book.gap(), Some(16), "nobody has signed the last one");
    let all: Vec<(u64, usize)> = book.hops().map(|entry| (entry.claim.size, entry.signers())).collect();
    assert_eq!(all, [(1, 1), (9, 1), (15, 0)]);
}

#[test]
fn what_was_not_closed_here_is_believed_only_from_those_whom_the_hop_before_it_names() {
    let [genesis, next, settled] = hops();
    let mut book = Book::default();
    for hop in [&genesis, &next, &settled] {
        book.close(&Arc::new(hop.clone()));
    }
    let late = checkpoint(30, &[1, 2, 3], settled.digest());
    assert_eq!(book.learn(vec![told(&late, &[1, 2])], 40), [], "the hop was not witnessed");
    book.learn(vec![told(&settled, &[1, 3])], 40);
    assert_eq!(book.learn(vec![told(&late, &[1])], 40), [], "no majority");
    assert_eq!(book.learn(vec![told(&late, &[1, 2])], 29), [], "ahead of this node's chain");
    let strangers = checkpoint(30, &[7, 8], settled.digest());
    assert_eq!(book.learn(vec![told(&strangers, &[7, 8])], 40), []);
    let old = checkpoint(30, &[1], next.digest());
    assert_eq!(book.learn(vec![told(&old, &[1])], 40), [], "the hop that it names was not witnessed");
    assert_eq!(book.learn(vec![told(&late, &[1, 2])], 40).len(), 1);
    assert_eq!(book.witnessed(), 30);
}

#[test]
fn what_is_kept_makes_the_same_book() {
    let [genesis, next, settled] = hops();
    let last = checkpoint(30, &[1, 2, 3], settled.digest());
    let kept: Vec<Entry> = [told(&genesis, &[1]), told(&next, &[1]), told(&settled, &[1, 2]), told(&last, &[2, 3])]
        .map(Entry::told)
        .into();
    let book = Book::of(kept);
    assert_eq!((book.witnessed(), book.hops().count(), book.last().count(), book.gap()), (30, 3, 1, None));
}

#[test]
fn it_is_bounded() {
    let mut book = Book::default();
    for size in 1..500 {
        let one = checkpoint(size, &[1, 2, 3], Hash::default());
        book.hear(node(2), signed(Checkpoint { size: size + 1_000, ..one.clone() }.claim(), 2));
        book.close(&Arc::new(one));
    }
    assert!(book.open.len() <= super::OPEN && book.early.values().all(|waiting| waiting.len() <= super::EARLY));
    for by in 0..100 {
        let far = checkpoint(9_000, &[by], Hash::default()).claim();
        book.hear(node(by), signed(far, by));
    }
    assert!(book.early.len() <= super::EARLY_NODES);
}
