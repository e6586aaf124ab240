//! Golden bytes of every kind of line: whoever changes them changes the format of every ledger there is.

use super::*;
use crate::codec;
use expect_test::expect;
use std::fmt::Write;
use uuid::Uuid;

fn message_id(number: u128) -> MessageId {
    MessageId(Uuid::from_u128(number))
}

fn decision() -> DecisionId {
    DecisionId { node: [0xd0; 4], id: Uuid::from_u128(0xdd) }
}

fn on_behalf() -> Option<Box<OnBehalf>> {
    let member = NodeId([0x22; 32]);
    Some(Box::new(OnBehalf { user: "admin".to_owned(), member, permit: decision(), judged: decision() }))
}

fn batch(attested: bool) -> MessageBatch {
    let attestation = attested.then(|| Attestation {
        epoch: Epoch(7),
        batch: 1,
        first: 64,
        last: 64,
        root: Hash([0xaa; 32]),
        previous: Hash([0xbb; 32]),
        policy_set: PolicyNumber(2),
        time_ms: 1_000,
        signature: vec![0xcc; 64],
    });
    let message = Message {
        sequence: 64,
        message: message_id(1),
        kind: Kind::Ask,
        header: Hash([0xee; 32]),
        user: String::new(),
        on_behalf: on_behalf().filter(|_| attested),
        bytes: 256,
        deadline_ms: 2_000,
        decision: Some(decision()),
        fate: Fate::Taken,
    };
    MessageBatch { session: [0x55; 16], attestation, messages: vec![message] }
}

/// One of each kind.
fn entries() -> Vec<Entry> {
    let local = Local {
        message: message_id(2),
        kind: Kind::Tell,
        sender: "gateway-n1".to_owned(),
        receiver: "a1".to_owned(),
        sender_epoch: Epoch(1),
        receiver_epoch: Epoch(2),
        user: "admin".to_owned(),
        on_behalf: None,
        bytes: 3,
        deadline_ms: 4,
        sent_by: Some(decision()),
        received_by: None,
        fate: Fate::Refused,
    };
    let session = Session {
        session: [0x55; 16],
        began: true,
        name: "a1".to_owned(),
        epoch: Epoch(1),
        peer: NodeId([0x11; 32]),
        peer_name: "a2".to_owned(),
        peer_epoch: Epoch(2),
        credential: "own".to_owned(),
        peer_credential: "peers".to_owned(),
    };
    let ends = [Fate::Sent, Fate::Taken, Fate::Denied, Fate::Refused, Fate::Expired, Fate::Unknown];
    let end = |(sequence, fate)| End { sequence, message: message_id(9), fate };
    vec![
        Entry::Started { boot: 3 },
        Entry::Session(session),
        Entry::Sent(batch(true)),
        Entry::Received(batch(false)),
        Entry::Ended(Ended { session: [0x55; 16], batch: 1, ends: (0..).zip(ends).map(end).collect() }),
        Entry::Local(Local { user: String::new(), on_behalf: on_behalf(), ..local.clone() }),
        Entry::Local(local),
        Entry::Denied(Denied { decision: decision(), message: Some(message_id(3)), verdict: vec![1, 2] }),
        Entry::Gap { lost: 12 },
    ]
}

/// A digest of bytes, short enough to be read.
fn short(bytes: &[u8]) -> String {
    Hash::of(&[bytes]).to_string()[..16].to_owned()
}

#[test]
fn encoded_and_hashed_bytes_stay_as_they_are() {
    let (mut out, mut previous) = (String::new(), Hash::default());
    for (number, entry) in (1..).zip(entries()) {
        let line = Line::chained(number, 1_000 + number, entry, previous);
        let bytes = codec::encode(&line);
        assert_eq!(codec::decode::<Line>(&bytes, LINE_MAX).as_ref(), Ok(&line));
        let (encoded, canonical) = (short(&bytes), short(&line.canonical()));
        writeln!(out, "{} {} bytes {encoded}, canonical {canonical}", line.entry.name(), bytes.len())
            .expect("a string");
        previous = line.hash;
    }
    writeln!(out, "{previous}").expect("a string");
    expect![[r#"
        started 71 bytes 0d697b534a46553f, canonical 33a1b9e8fb85dfc5
        session 137 bytes 8c5afb42231fa0c9, canonical c702aaf118d3659b
        sent 387 bytes 697cb5ea8d603865, canonical 43a63b159fa5969a
        received 170 bytes 7f510a0041464012, canonical 8410f70a86077f81
        ended 202 bytes cdbcdc57de197ee9, canonical 0b8a64ee43f1b8d3
        local 212 bytes f93f5ebc639942b1, canonical d7d5012d0490414b
        local 137 bytes 7ed0c65c26bc1562, canonical 03f109932cf15d82
        denied 112 bytes 684cd524e4b12635, canonical 80e40c421ce8f1ff
        gap 71 bytes 789696f00e46af25, canonical 3c714c575f114a37
        3e295827246c2fad0ad6bd8e2e5f770ebd41860878c243320eadcbf42e72229b
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_line_is_bound_to_all_that_it_says_and_to_the_one_before_it() {
    let line = Line::chained(1, 5, Entry::Sent(batch(true)), Hash([1; 32]));
    assert_eq!(line.digest(), line.hash);
    let mut hashes = vec![line.hash];
    let mut change = |change: fn(&mut Line)| {
        let mut other = line.clone();
        change(&mut other);
        hashes.push(other.digest());
    };
    change(|line| line.number = 2);
    change(|line| line.time_ms = 6);
    change(|line| line.previous = Hash([2; 32]));
    change(|line| line.entry = Entry::Received(batch(true)));
    change(|line| line.entry = Entry::Sent(batch(false)));
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn a_leaf_is_bound_to_sequence_kind_id_and_header() {
    let message = batch(true).messages.remove(0);
    let mut leaves = vec![message.leaf()];
    let others = [
        Message { sequence: 65, ..message.clone() },
        Message { kind: Kind::Answer, ..message.clone() },
        Message { message: message_id(4), ..message.clone() },
        Message { header: Hash([0; 32]), ..message.clone() },
    ];
    leaves.extend(others.iter().map(Message::leaf));
    leaves.sort_unstable();
    leaves.dedup();
    assert_eq!(leaves.len(), 5);
    assert_eq!(Message { bytes: 1, ..message.clone() }.leaf(), message.leaf(), "what is this node's own is not signed");
}

#[test]
fn a_line_with_a_verdict_as_long_as_it_once_could_be_is_read() {
    let denied = Denied { decision: decision(), message: None, verdict: vec![7; 256 * 1024] };
    let line = Line::chained(1, 1, Entry::Denied(denied), Hash::default());
    assert_eq!(codec::decode::<Line>(&codec::encode(&line), LINE_MAX), Ok(line));
}
