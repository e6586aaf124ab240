//! What only shows from inside: the limits, at sequences that no test could reach by sending.

use super::{AGE_MS, BYTES, Extensions, Header, Id, Initiator, Kind, MESSAGES, Party, Said, Session, batch, respond};
use crate::error::Error;
use ed25519_dalek::SigningKey;
use symbi_model::{ClusterId, MessageId, NodeId};

fn party(number: u8, peer: u8) -> Party {
    Party {
        cluster: "01939d3c-8f00-7000-8000-000000000001".parse::<ClusterId>().expect("a UUID"),
        node: NodeId([number; 32]),
        peer: NodeId([peer; 32]),
        name: format!("agent-{number}"),
        peer_name: format!("agent-{peer}"),
        signing_key: SigningKey::from_bytes(&[number; 32]),
        credential: format!("credential {number}"),
        now_ms: 5_000,
    }
}

fn pair() -> (Session, Session) {
    pair_from(0)
}

/// Sessions of the same two agents, told apart by `seed`.
fn pair_from(seed: u8) -> (Session, Session) {
    let keys = [1, 2].map(|number| SigningKey::from_bytes(&[number; 32]).verifying_key().to_bytes());
    let (initiator, hello) = Initiator::start(party(1, 2), [11 + seed; 32], [12; 32], Id([9 + seed; 16]));
    let (responder, reply) = respond(party(2, 1), &hello, &keys[0], [21; 32], [22; 32]).expect("a good hello");
    (initiator.finish(&reply, &keys[1]).expect("a good reply"), responder)
}

fn header() -> Header {
    Header {
        kind: Kind::Tell,
        message: "01939d3c-8f00-7000-8000-000000000002".parse::<MessageId>().expect("a UUID"),
        in_reply_to: None,
        sender: "agent-1".to_owned(),
        receiver: "agent-2".to_owned(),
        sender_epoch: Default::default(),
        sender_incarnation: Default::default(),
        receiver_epoch: Default::default(),
        deadline_ms: 0,
        trace: [0; 16],
        extensions: Extensions::default(),
    }
}

/// Goes on at `sequence`, as if all before it had been sent.
fn skip_to(session: &mut Session, sequence: u64) {
    session.sending.next = sequence;
    session.sending.attestor.skip_to(sequence);
}

#[test]
fn a_session_is_due_by_messages_bytes_or_age_whichever_comes_first() {
    let (mut session, _) = pair();
    assert!(!session.due_for_rekey(5_000 + AGE_MS - 1) && !session.due_for_rekey(0));
    assert!(session.due_for_rekey(5_000 + AGE_MS));
    skip_to(&mut session, MESSAGES - 1);
    assert!(!session.due_for_rekey(5_000));
    session.seal(&header(), b"x").expect("the last one before it is due");
    assert!(session.due_for_rekey(5_000));
    let (mut session, _) = pair();
    session.receiving.bytes = BYTES;
    assert!(session.due_for_rekey(5_000));
}

#[test]
fn the_receiver_counts_too() {
    let (mut session, mut peer) = pair();
    skip_to(&mut session, MESSAGES - 1);
    let sealed = session.seal(&header(), b"x").expect("a message").bytes;
    assert!(!peer.due_for_rekey(5_000));
    peer.open(&sealed).expect("it was skipped to, not replayed");
    assert!(peer.due_for_rekey(5_000));
}

#[test]
fn a_spent_session_neither_seals_nor_opens() {
    let (mut session, mut peer) = pair();
    skip_to(&mut session, 2 * MESSAGES - 1);
    let last = session.seal(&header(), b"x").expect("the very last").bytes;
    assert_eq!(session.seal(&header(), b"x").err(), Some(Error::SessionSpent));
    peer.open(&last).expect("the very last");

    let (mut session, mut peer) = pair();
    session.sending.bytes = 2 * BYTES - 1;
    peer.receiving.bytes = 2 * BYTES - 1;
    let sealed = session.seal(&header(), b"x").expect("the very last byte").bytes;
    assert_eq!(session.seal(&header(), b"x").err(), Some(Error::SessionSpent));
    peer.open(&sealed).expect("the very last byte");
    session.sending.bytes = 0;
    let sealed = session.seal(&header(), b"x").expect("a sender that does not count").bytes;
    assert_eq!(peer.open(&sealed), Err(Error::SessionSpent));
}

#[test]
fn a_sender_that_goes_on_counting_is_refused() {
    let (session, mut peer) = pair();
    let envelope =
        super::Envelope { cluster: session.cluster, session: session.id, sequence: 2 * MESSAGES, header: header() };
    let bytes = envelope.encode().expect("a header");
    let sealed = session.sending.keys.seal(2 * MESSAGES, &bytes, b"x").0;
    assert_eq!(peer.open(&sealed), Err(Error::SessionSpent));
}

#[test]
fn the_commitment_is_checked_although_the_seal_holds() {
    let (mut session, mut peer) = pair();
    let envelope = super::Envelope { cluster: session.cluster, session: session.id, sequence: 0, header: header() };
    let bytes = envelope.encode().expect("a header");
    session.sending.keys.forget_commitment();
    let sealed = session.sending.keys.seal(0, &bytes, b"x").0;
    assert_eq!(peer.open(&sealed), Err(Error::SealBroken));
}

#[test]
fn so_many_and_no_more_are_sealed_and_opened_without_a_signature() {
    let (mut session, mut peer) = pair();
    let key = SigningKey::from_bytes(&[1; 32]);
    let said = Said { epoch: Default::default(), policy_set: Default::default(), time_ms: 1 };
    let mut batches = Vec::new();
    for _ in 0..batch::UNATTESTED / batch::MESSAGES {
        for _ in 0..batch::MESSAGES {
            peer.open(&session.seal(&header(), b"x").expect("sealed").bytes).expect("opened");
        }
        let refused = Error::Unattested { held: batch::MESSAGES };
        assert_eq!(session.seal(&header(), b"x").err(), Some(refused));
        batches.push(session.attest(&key, &said).expect("a batch"));
    }
    let sealed = session.seal(&header(), b"x").expect("sealed").bytes;
    assert_eq!(peer.open(&sealed), Err(Error::Unattested { held: batch::UNATTESTED }));
    for attestation in batches {
        peer.claim(&key.verifying_key(), said.epoch, &attestation)
            .expect("claimed")
            .verify(&key.verifying_key())
            .expect("signed");
    }
    assert_eq!(peer.unattested(), (batch::UNATTESTED as u64, 0));
    peer.open(&sealed).expect("there is room again");
}

/// A key and a nonce.
type Use = ([u8; 8], u64);

#[test]
fn no_two_sessions_have_a_key_and_if_they_had_a_witness_would_see_it() {
    use std::sync::{Arc, Mutex};
    use symbi_model::planted::{Defect, plant};
    let seen: Arc<Mutex<Vec<Use>>> = Arc::default();
    let repeats = |seen: &Arc<Mutex<Vec<Use>>>| {
        seen.lock().expect("whole").clear();
        for _ in 0..2 {
            // Another exchange, as after a rekey: the id and the ephemeral keys are others.
            let (mut session, _) = pair_from(u8::from(!seen.lock().expect("whole").is_empty()));
            session.seal(&header(), b"x").expect("sealed");
        }
        let mut pairs = seen.lock().expect("whole").clone();
        pairs.sort_unstable();
        pairs.dedup();
        seen.lock().expect("whole").len() - pairs.len()
    };
    let heard = Arc::clone(&seen);
    super::witness::install(Some(Box::new(move |key, sequence| heard.lock().expect("whole").push((key, sequence)))));
    assert_eq!(repeats(&seen), 0);
    plant(Some(Defect::RekeyKeepsKey));
    assert_eq!(repeats(&seen), 1);
    plant(None);
    super::witness::install(None);
}
