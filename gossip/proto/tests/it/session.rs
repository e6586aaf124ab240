//! Sessions: what goes in comes out on the other side, once, and nothing else does.

use crate::fixture::{cnf, header, node, party, sessions, uuid};
use proptest::prelude::*;
use symbi_model::{Epoch, PolicyNumber};
use symbi_proto::Error;
use symbi_proto::session::{Header, Hello, HelloReply, Id, Initiator, Opened, PAYLOAD_BYTES, Party, Said, respond};

fn hello() -> (Initiator, Hello) {
    Initiator::start(party(1, 2), [11; 32], [12; 32], Id([9; 16]))
}

/// What comes of it when agent 2 answers a changed hello.
fn responded(local: Party, change: impl FnOnce(&mut Hello)) -> Option<Error> {
    let (_, mut hello) = hello();
    change(&mut hello);
    respond(local, &hello, &cnf(1), [21; 32], [22; 32]).err()
}

/// What comes of it when agent 1 gets a changed reply.
fn finished(change: impl FnOnce(&mut HelloReply)) -> Option<Error> {
    let (initiator, hello) = hello();
    let (_, mut reply) = respond(party(2, 1), &hello, &cnf(1), [21; 32], [22; 32]).expect("a good hello");
    change(&mut reply);
    initiator.finish(&reply, &cnf(2)).err()
}

/// What a message says.
fn said(opened: Result<Opened, Error>) -> Result<(Header, Vec<u8>), Error> {
    opened.map(|opened| (opened.header, opened.payload))
}

#[test]
fn both_directions_carry() {
    let (mut one, mut two) = sessions(1);
    assert_eq!((one.peer_name(), two.peer_name(), one.id()), ("agent-2", "agent-1", two.id()));
    for round in 0..3_u8 {
        let sealed = one.seal(&header(1, 2), &[round]).expect("sealed").bytes;
        assert_eq!(said(two.open(&sealed)), Ok((header(1, 2), vec![round])));
        let sealed = two.seal(&header(2, 1), &[round; 2]).expect("sealed").bytes;
        assert_eq!(said(one.open(&sealed)), Ok((header(2, 1), vec![round; 2])));
    }
}

#[test]
fn a_hello_is_bound_to_everything_in_it_and_to_both_nodes() {
    assert_eq!(responded(party(2, 1), |_| {}), None);
    let wrong = Some(Error::SignatureWrong);
    assert_eq!(responded(party(2, 1), |hello| hello.session = Id([8; 16])), wrong);
    assert_eq!(responded(party(2, 1), |hello| hello.ephemeral[0] ^= 1), wrong);
    assert_eq!(responded(party(2, 1), |hello| hello.nonce[0] ^= 1), wrong);
    assert_eq!(responded(party(2, 1), |hello| hello.credential.push('x')), wrong);
    assert_eq!(responded(party(2, 1), |hello| hello.signature[0] ^= 1), wrong);
    assert_eq!(responded(party(2, 1), |hello| hello.signature.truncate(63)), wrong);
    assert_eq!(responded(Party { node: node(3), ..party(2, 1) }, |_| {}), wrong, "sent on to another node");
    assert_eq!(responded(Party { peer: node(3), ..party(2, 1) }, |_| {}), wrong, "sent on by another node");
    assert_eq!(responded(Party { cluster: uuid(9), ..party(2, 1) }, |_| {}), wrong, "of another cluster");
    let foreign = Some(Error::ForeignParty);
    assert_eq!(responded(party(2, 1), |hello| hello.receiver = "agent-3".to_owned()), foreign);
    assert_eq!(responded(party(2, 1), |hello| hello.sender = "agent-3".to_owned()), foreign);
    let long = responded(party(2, 1), |hello| hello.credential = "x".repeat(20_000));
    assert!(matches!(long, Some(Error::TooLong { .. })));
}

#[test]
fn a_reply_is_bound_to_its_hello() {
    assert_eq!(finished(|_| {}), None);
    let wrong = Some(Error::SignatureWrong);
    assert_eq!(finished(|reply| reply.session = Id([8; 16])), Some(Error::ForeignExchange));
    assert_eq!(finished(|reply| reply.ephemeral[0] ^= 1), wrong);
    assert_eq!(finished(|reply| reply.nonce[0] ^= 1), wrong);
    assert_eq!(finished(|reply| reply.credential.push('x')), wrong);
    assert_eq!(finished(|reply| reply.signature[63] ^= 1), wrong);
    // The reply to another hello of the same session.
    let (_, other) = Initiator::start(party(1, 2), [11; 32], [13; 32], Id([9; 16]));
    let (_, reply) = respond(party(2, 1), &other, &cnf(1), [21; 32], [22; 32]).expect("a good hello");
    assert_eq!(hello().0.finish(&reply, &cnf(2)).err(), wrong);
}

#[test]
fn a_wrong_cnf_is_refused_on_both_sides() {
    let (initiator, hello) = hello();
    let other = respond(party(2, 1), &hello, &cnf(3), [21; 32], [22; 32]).err();
    assert_eq!(other, Some(Error::SignatureWrong));
    let none = respond(party(2, 1), &hello, &[0; 32], [21; 32], [22; 32]).err();
    assert_eq!(none, Some(Error::SignatureWrong), "a weak key signs anything");
    let (_, reply) = respond(party(2, 1), &hello, &cnf(1), [21; 32], [22; 32]).expect("a good hello");
    assert_eq!(initiator.finish(&reply, &cnf(3)).err(), Some(Error::SignatureWrong));
}

#[test]
fn a_hello_sent_back_is_no_reply() {
    let (initiator, hello) = hello();
    let Hello { session, ephemeral, nonce, credential, signature, .. } = hello;
    let reflected = HelloReply { session, ephemeral, nonce, credential, signature };
    assert_eq!(initiator.finish(&reflected, &cnf(1)).err(), Some(Error::SignatureWrong));
}

#[test]
fn an_ephemeral_key_without_a_secret_is_refused() {
    // The party signs whatever it likes, an ephemeral key of small order too.
    for weak in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let (_, mut hello) = hello();
        hello.ephemeral = weak;
        assert_eq!(respond(party(2, 1), &resigned(hello), &cnf(1), [21; 32], [22; 32]).err(), Some(Error::KeyWeak));
    }
}

/// `hello` with the signature that its sender would make over it.
fn resigned(mut hello: Hello) -> Hello {
    use ed25519_dalek::Signer;
    use sha2::{Digest, Sha256};
    use symbi_model::hash::put_bytes;
    let mut said = b"symbi-session-v1 initiator\0".to_vec();
    said.extend_from_slice(crate::fixture::cluster().0.as_bytes());
    said.extend_from_slice(&hello.session.0);
    said.extend_from_slice(&node(1).0);
    said.extend_from_slice(&node(2).0);
    put_bytes(&mut said, hello.sender.as_bytes());
    put_bytes(&mut said, hello.receiver.as_bytes());
    said.extend_from_slice(&hello.ephemeral);
    said.extend_from_slice(&hello.nonce);
    said.extend_from_slice(&Sha256::digest(&hello.credential));
    hello.signature = crate::fixture::key(101).sign(&said).to_bytes().to_vec();
    hello
}

#[test]
fn a_message_of_another_session_does_not_open() {
    let (mut one, _) = sessions(1);
    let (_, mut other) = sessions(2);
    let sealed = one.seal(&header(1, 2), b"x").expect("sealed").bytes;
    assert_eq!(other.open(&sealed), Err(Error::SealBroken), "the same id, other keys");
    let (initiator, hello) = Initiator::start(party(1, 2), [1; 32], [12; 32], Id([8; 16]));
    let (mut other, reply) = respond(party(2, 1), &hello, &cnf(1), [2; 32], [22; 32]).expect("a good hello");
    initiator.finish(&reply, &cnf(2)).expect("a good reply");
    assert_eq!(other.open(&sealed), Err(Error::ForeignSession));
}

#[test]
fn a_message_does_not_open_where_it_came_from() {
    let (mut one, mut two) = sessions(1);
    let sealed = one.seal(&header(1, 2), b"x").expect("sealed").bytes;
    assert_eq!(one.open(&sealed), Err(Error::ForeignParty));
    two.open(&sealed).expect("the attempt changed nothing");
}

#[test]
fn a_header_names_the_sessions_own_two() {
    let (mut one, _) = sessions(1);
    for (sender, receiver) in [(2, 1), (1, 3), (3, 2)] {
        assert_eq!(one.seal(&header(sender, receiver), b"x").err(), Some(Error::ForeignParty));
    }
}

#[test]
fn a_payload_has_a_bound() {
    let (mut one, mut two) = sessions(1);
    let sealed = one.seal(&header(1, 2), &vec![7; PAYLOAD_BYTES]).expect("the longest").bytes;
    assert_eq!(two.open(&sealed).expect("the longest").payload.len(), PAYLOAD_BYTES);
    let long = one.seal(&header(1, 2), &vec![7; PAYLOAD_BYTES + 1]);
    assert!(matches!(long, Err(Error::TooLong { .. })));
}

#[test]
fn what_comes_late_opens_within_the_window_and_not_beyond() {
    let (mut one, mut two) = sessions(1);
    let sign = Said { epoch: Epoch(3), policy_set: PolicyNumber(1), time_ms: 1 };
    let seal = |number| {
        if number % 64 == 0 {
            one.attest(&crate::fixture::key(101), &sign);
        }
        one.seal(&header(1, 2), b"x").expect("sealed").bytes
    };
    let sealed: Vec<_> = (0..1026).map(seal).collect();
    two.open(&sealed[1024]).expect("ahead");
    two.open(&sealed[1]).expect("1,023 late");
    assert_eq!(two.open(&sealed[1]), Err(Error::Replayed { sequence: 1 }));
    assert_eq!(two.open(&sealed[0]), Err(Error::Replayed { sequence: 0 }), "1,024 late");
    two.open(&sealed[1025]).expect("in order");
    assert_eq!(two.open(&sealed[1024]), Err(Error::Replayed { sequence: 1024 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sealed_opens_once(payload in prop::collection::vec(any::<u8>(), 0..2_000), seed in any::<u8>()) {
        let (mut one, mut two) = sessions(seed);
        let sealed = one.seal(&header(1, 2), &payload).expect("sealed").bytes;
        prop_assert_eq!(said(two.open(&sealed)), Ok((header(1, 2), payload)));
        prop_assert_eq!(two.open(&sealed), Err(Error::Replayed { sequence: 0 }));
    }

    #[test]
    fn any_order_within_the_window_opens_each_once(order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let (mut one, mut two) = sessions(1);
        let sealed: Vec<_> = (0..64_u8).map(|at| one.seal(&header(1, 2), &[at]).expect("sealed").bytes).collect();
        for at in order {
            prop_assert_eq!(two.open(&sealed[at]).expect("fresh").payload, vec![at as u8]);
            prop_assert!(two.open(&sealed[at]).is_err());
        }
    }

    #[test]
    fn noise_does_not_open(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let (_, mut two) = sessions(1);
        prop_assert!(two.open(&noise).is_err());
    }
}

#[test]
fn no_flipped_bit_and_no_prefix_opens_and_the_attempts_change_nothing() {
    let (mut one, mut two) = sessions(1);
    let sealed = one.seal(&header(1, 2), b"a payload").expect("sealed").bytes;
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(two.open(&changed).is_err(), "bit {bit}");
    }
    for end in 0..sealed.len() {
        assert!(two.open(&sealed[..end]).is_err(), "{end} bytes");
    }
    let longer = [sealed.as_slice(), &[0]].concat();
    assert!(two.open(&longer).is_err());
    two.open(&sealed).expect("untouched");
}
