//! Batches: what is signed is covered once, in order, and nothing of it can be changed.

use super::{Attestor, Direction, MESSAGES, Said, UNATTESTED, Verifier, signed};
use crate::error::Error;
use crate::session::Id;
use ed25519_dalek::{SigningKey, VerifyingKey};
use expect_test::expect;
use proptest::prelude::*;
use symbi_model::ledger::{Attestation, Kind, leaf};
use symbi_model::{Epoch, Hash, MessageId, PolicyNumber};

const EPOCH: Epoch = Epoch(3);

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn public() -> VerifyingKey {
    key(1).verifying_key()
}

fn direction() -> Direction {
    Direction {
        cluster: "01939d3c-8f00-7000-8000-000000000001".parse().expect("a UUID"),
        sender: "agent-1".to_owned(),
        session: Id([9; 16]),
    }
}

fn said() -> Said {
    Said { epoch: EPOCH, policy_set: PolicyNumber(7), time_ms: 1_000 }
}

fn message(sequence: u64) -> Hash {
    let id: MessageId = "01939d3c-8f00-7000-8000-000000000002".parse().expect("a UUID");
    leaf(sequence, Kind::Tell, id, &Hash([5; 32]))
}

/// Both sides of a direction, with messages `0..count` sent and opened.
fn sides(count: u64) -> (Attestor, Verifier) {
    let (mut attestor, mut verifier) = (Attestor::new(direction()), Verifier::new(direction()));
    for sequence in 0..count {
        attestor.hold(sequence, message(sequence));
        verifier.hold(sequence, message(sequence));
    }
    (attestor, verifier)
}

/// What a receiver makes of a batch, signature and all.
fn checked(verifier: &mut Verifier, attestation: &Attestation) -> Result<Attestation, Error> {
    verifier.claim(&public(), EPOCH, attestation)?.verify(&public())
}

#[test]
fn what_is_signed_stays_as_it_is() {
    let (mut attestor, _) = sides(2);
    let attestation = attestor.attest(&key(1), &said()).expect("two messages");
    expect!["73796d62692d62617463682d763100000000000000001001939d3c8f007000800000000000000100000000000000076167656e742d3100000000000000208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c00000000000000100909090909090909090909090909090900000000000000030000000000000000000000000000000000000000000000010000000000000020db04870ec9aa75e95349af78ec05f44797498a7ae633aadab8fa7ecb7ba407bb00000000000000200000000000000000000000000000000000000000000000000000000000000000000000000000000700000000000003e8"].assert_eq(&hex::encode(signed(&direction(), &public(), &attestation)));
    expect!["c8107343f99b3f0f4e20f0315c13f5521c62c74e1d979ec3b87a638fa8941c39a2d6fe7c524bd64296fe3dd7674af05901799693bb1179692d0c91ea686a6105"].assert_eq(&hex::encode(&attestation.signature));
    expect!["e0a8529be597149ead9a3a7af101130556ae0f98a626ac62bcff1e861e6c6ba5"]
        .assert_eq(&attestor.previous.to_string());
}

#[test]
fn every_message_is_in_one_batch_and_batches_are_a_chain() {
    let (mut attestor, mut verifier) = sides(0);
    assert!(attestor.attest(&key(1), &said()).is_none(), "nothing is signed for nothing");
    let (mut sequence, mut previous) = (0, Hash::default());
    for (number, count) in [1, MESSAGES as u64, 2].into_iter().enumerate() {
        for _ in 0..count {
            attestor.hold(sequence, message(sequence));
            verifier.hold(sequence, message(sequence));
            sequence += 1;
        }
        let attestation = attestor.attest(&key(1), &said()).expect("some messages");
        assert_eq!((attestation.batch, attestation.last + 1), (number as u64, sequence));
        assert_eq!(attestation.previous, previous);
        assert_eq!(checked(&mut verifier, &attestation).as_ref(), Ok(&attestation));
        assert_eq!((verifier.held(), verifier.first()), (0, sequence));
        assert!(matches!(checked(&mut verifier, &attestation), Err(Error::BatchLink { .. })), "once");
        previous = attestor.previous;
    }
}

/// A change of a batch, and what it changes.
type Change = (&'static str, fn(&mut Attestation));

#[test]
fn nothing_in_a_batch_can_be_changed() {
    let changes: [Change; 12] = [
        ("epoch", |said| said.epoch = Epoch(4)),
        ("batch", |said| said.batch += 1),
        ("first", |said| said.first += 1),
        ("first and last", |said| (said.first, said.last) = (said.first + 1, said.last + 1)),
        ("last", |said| said.last -= 1),
        ("a later last", |said| said.last += 1),
        ("a last below the first", |said| said.last = 0),
        ("root", |said| said.root.0[0] ^= 1),
        ("previous", |said| said.previous.0[31] ^= 1),
        ("policy set", |said| said.policy_set = PolicyNumber(8)),
        ("time", |said| said.time_ms += 1),
        ("a short signature", |said| said.signature.truncate(63)),
    ];
    for (what, change) in changes {
        let (mut attestor, mut verifier) = sides(1);
        checked(&mut verifier, &attestor.attest(&key(1), &said()).expect("one")).expect("the first batch");
        for sequence in 1..4 {
            attestor.hold(sequence, message(sequence));
            verifier.hold(sequence, message(sequence));
        }
        let attestation = attestor.attest(&key(1), &said()).expect("three messages");
        let mut changed = attestation.clone();
        change(&mut changed);
        assert!(checked(&mut verifier, &changed).is_err(), "{what}");
    }
    let (mut attestor, mut verifier) = sides(2);
    let attestation = attestor.attest(&key(1), &said()).expect("two messages");
    for bit in 0..attestation.signature.len() * 8 {
        let mut changed = attestation.clone();
        changed.signature[bit / 8] ^= 1 << (bit % 8);
        let claim = sides(2).1.claim(&public(), EPOCH, &changed).expect("it fits but for the signature");
        assert_eq!(claim.verify(&public()).err(), Some(Error::SignatureWrong), "bit {bit}");
    }
    checked(&mut verifier, &attestation).expect("unchanged");
}

#[test]
fn a_batch_is_its_senders_its_sessions_and_its_clusters() {
    let (mut attestor, _) = sides(2);
    let attestation = attestor.attest(&key(1), &said()).expect("two messages");
    let other = "01939d3c-8f00-7000-8000-000000000009".parse().expect("a UUID");
    let foreign = [
        Direction { cluster: other, ..direction() },
        Direction { sender: "agent-2".to_owned(), ..direction() },
        Direction { session: Id([8; 16]), ..direction() },
    ];
    for direction in foreign {
        let mut verifier = Verifier::new(direction.clone());
        (0..2).for_each(|sequence| verifier.hold(sequence, message(sequence)));
        assert_eq!(checked(&mut verifier, &attestation), Err(Error::SignatureWrong), "{direction:?}");
    }
    let other = key(2).verifying_key();
    let claim = sides(2).1.claim(&other, EPOCH, &attestation).expect("it fits");
    assert_eq!(claim.verify(&other), Err(Error::SignatureWrong), "another incarnation's");
}

#[test]
fn other_messages_than_those_signed_are_found_out() {
    let (mut attestor, _) = sides(3);
    let attestation = attestor.attest(&key(1), &said()).expect("three messages");
    let mut verifier = Verifier::new(direction());
    for sequence in [0, 1, 2] {
        verifier.hold(sequence, message(sequence + u64::from(sequence == 1)));
    }
    assert_eq!(checked(&mut verifier, &attestation), Err(Error::BatchRoot { batch: 0 }));
    let mut verifier = Verifier::new(direction());
    [0, 2].into_iter().for_each(|sequence| verifier.hold(sequence, message(sequence)));
    assert_eq!(checked(&mut verifier, &attestation), Err(Error::BatchGap { batch: 0 }), "one never came");
    verifier.hold(1, message(1));
    checked(&mut verifier, &attestation).expect("late, and an error has changed nothing");
}

#[test]
fn a_batch_that_was_left_out_is_missed_by_the_next() {
    let (mut attestor, mut verifier) = sides(1);
    let _lost = attestor.attest(&key(1), &said()).expect("one message");
    attestor.hold(1, message(1));
    verifier.hold(1, message(1));
    let next = attestor.attest(&key(1), &said()).expect("one message");
    assert_eq!(checked(&mut verifier, &next), Err(Error::BatchLink { batch: 1 }));
    let renumbered = Attestation { batch: 0, previous: Hash::default(), ..next };
    assert_eq!(checked(&mut verifier, &renumbered), Err(Error::BatchGap { batch: 0 }));
}

#[test]
fn a_batch_of_more_than_64_is_refused() {
    let mut verifier = Verifier::new(direction());
    (0..=MESSAGES as u64).for_each(|sequence| verifier.hold(sequence, message(sequence)));
    let (mut attestor, _) = sides(1);
    let mut attestation = attestor.attest(&key(1), &said()).expect("one message");
    attestation.last = MESSAGES as u64;
    assert_eq!(checked(&mut verifier, &attestation), Err(Error::BatchGap { batch: 0 }));
    const { assert!(UNATTESTED >= MESSAGES, "a whole batch can be held") };
}

#[test]
fn with_a_check_taken_away_it_shows() {
    use symbi_model::planted::{Defect, plant};
    let (mut attestor, mut verifier) = sides(1);
    let mut attestation = attestor.attest(&key(2), &said()).expect("one message");
    plant(Some(Defect::SignatureUnchecked));
    checked(&mut verifier, &attestation).expect("the signature of somebody else");
    plant(Some(Defect::BatchLinkUnchecked));
    attestor = Attestor { previous: Hash([1; 32]), ..sides(1).0 };
    attestation = attestor.attest(&key(1), &said()).expect("one message");
    checked(&mut sides(1).1, &attestation).expect("a batch that names another before it");
    plant(None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn however_it_is_cut_it_is_covered(cuts in prop::collection::vec(1..=MESSAGES as u64, 1..6), ahead in any::<bool>()) {
        let (mut attestor, mut verifier) = sides(0);
        let (mut sequence, mut late) = (0, None);
        for count in cuts {
            for _ in 0..count {
                attestor.hold(sequence, message(sequence));
                verifier.hold(sequence, message(sequence));
                sequence += 1;
            }
            let attestation = attestor.attest(&key(1), &said()).expect("some");
            match late.take() {
                Some(late) => { prop_assert!(checked(&mut verifier, &late).is_ok()); prop_assert!(checked(&mut verifier, &attestation).is_ok()); }
                None if ahead => late = Some(attestation),
                None => prop_assert!(checked(&mut verifier, &attestation).is_ok()),
            }
        }
    }
}
