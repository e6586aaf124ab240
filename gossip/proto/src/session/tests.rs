//! What only shows from inside: the limits, at sequences that no test could reach by sending.

use super::{AGE_MS, BYTES, Header, Id, Initiator, Kind, MESSAGES, Party, Session, respond};
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
    let keys = [1, 2].map(|number| SigningKey::from_bytes(&[number; 32]).verifying_key().to_bytes());
    let (initiator, hello) = Initiator::start(party(1, 2), [11; 32], [12; 32], Id([9; 16]));
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
    }
}

#[test]
fn a_session_is_due_by_messages_bytes_or_age_whichever_comes_first() {
    let (mut session, _) = pair();
    assert!(!session.due_for_rekey(5_000 + AGE_MS - 1) && !session.due_for_rekey(0));
    assert!(session.due_for_rekey(5_000 + AGE_MS));
    session.sending.next = MESSAGES - 1;
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
    session.sending.next = MESSAGES - 1;
    let sealed = session.seal(&header(), b"x").expect("a message");
    assert!(!peer.due_for_rekey(5_000));
    peer.open(&sealed).expect("it was skipped to, not replayed");
    assert!(peer.due_for_rekey(5_000));
}

#[test]
fn a_spent_session_neither_seals_nor_opens() {
    let (mut session, mut peer) = pair();
    session.sending.next = 2 * MESSAGES - 1;
    let last = session.seal(&header(), b"x").expect("the very last");
    assert_eq!(session.seal(&header(), b"x"), Err(Error::SessionSpent));
    peer.open(&last).expect("the very last");

    let (mut session, mut peer) = pair();
    session.sending.bytes = 2 * BYTES - 1;
    peer.receiving.bytes = 2 * BYTES - 1;
    let sealed = session.seal(&header(), b"x").expect("the very last byte");
    assert_eq!(session.seal(&header(), b"x"), Err(Error::SessionSpent));
    peer.open(&sealed).expect("the very last byte");
    session.sending.bytes = 0;
    let sealed = session.seal(&header(), b"x").expect("a sender that does not count");
    assert_eq!(peer.open(&sealed), Err(Error::SessionSpent));
}

#[test]
fn a_sender_that_goes_on_counting_is_refused() {
    let (session, mut peer) = pair();
    let envelope =
        super::Envelope { cluster: session.cluster, session: session.id, sequence: 2 * MESSAGES, header: header() };
    let bytes = envelope.encode().expect("a header");
    let sealed = session.sending.keys.seal(2 * MESSAGES, &bytes, b"x").expect("sealed");
    assert_eq!(peer.open(&sealed), Err(Error::SessionSpent));
}

#[test]
fn the_commitment_is_checked_although_the_seal_holds() {
    let (mut session, mut peer) = pair();
    let envelope = super::Envelope { cluster: session.cluster, session: session.id, sequence: 0, header: header() };
    let bytes = envelope.encode().expect("a header");
    session.sending.keys.forget_commitment();
    let sealed = session.sending.keys.seal(0, &bytes, b"x").expect("sealed");
    assert_eq!(peer.open(&sealed), Err(Error::SealBroken));
}
