//! What replicas say keeps its bytes, which are kept in `corpus/`: a line a message, `<variant> <hex>`. What becomes of them
//! when they are damaged is in [`damaged`], and, at a live node, in `cluster-tests`.

use super::*;
use crate::entry::Payload;
use expect_test::expect_file;
use std::fmt::{Debug, Write};
use symbi_model::Hash;
use symbi_model::NodeId;

mod damaged;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replica(number: u8) -> ReplicaId {
    ReplicaId { node: NodeId([number; 32]), number: u64::from(number) }
}

fn vote() -> Vote {
    Vote { term: 2, replica: replica(1), committed: true }
}

fn log_id() -> LogId {
    LogId { term: 2, index: 9 }
}

fn ballot() -> Ballot {
    Ballot { vote: vote(), last: Some(log_id()), transfer: true }
}

/// A request of each kind.
fn requests() -> Vec<Request> {
    let append = |entries| Append { vote: vote(), previous: Some(log_id()), entries, commit: None };
    let entry = |index, payload| Entry { term: 2, index, payload };
    let header = Header { root: Hash([4; 32]) };
    let begin = Begin { transfer: 7, vote: vote(), last: Some(log_id()), membership: Membership::default(), header };
    let data = |bytes: Vec<u8>| Data(bytes.into());
    let bodies = [
        Body::Append(append(vec![entry(10, Payload::Data(data(vec![0xab])))])),
        Body::Vote(ballot()),
        Body::PreVote(ballot()),
        Body::Transfer { from: vote(), to: replica(3), last: None },
        Body::Begin(begin),
        Body::Frame { transfer: 7, sequence: 0, frame: data(vec![1, 2, 3]) },
        Body::Frame { transfer: 7, sequence: 1, frame: data(Vec::new()) },
        Body::End { transfer: 7, frames: 2 },
        // As openraft ships them: several at once, of both kinds.
        Body::Append(append(vec![entry(10, Payload::Blank), entry(11, Payload::Data(data(vec![0xab; 300])))])),
        Body::Lines { from: 7, index: 1_000, line: 2 },
    ];
    bodies.into_iter().map(|body| Request { group: GroupId(0), from: 0, to: 0, speaks: 1, body }).collect()
}

/// A reply of each kind.
fn replies() -> Vec<Reply> {
    vec![
        Reply::Appended,
        Reply::AppendedTo(Some(log_id())),
        Reply::Conflict,
        Reply::HigherVote(vote()),
        Reply::Vote { vote: vote(), granted: true, last: None },
        Reply::Transferred,
        Reply::TransferVoteChanged { expected: vote(), actual: vote() },
        Reply::TransferBehind { expected: Some(log_id()), actual: None },
        Reply::Continue,
        Reply::Installed(vote()),
        Reply::SnapshotRefused { reason: "no".to_owned() },
        Reply::Lines(Data(vec![1, 2, 3].into())),
        Reply::NoLines,
    ]
}

/// Lines of the corpus, each read back as what it was.
fn lines<'said, T: Debug + PartialEq + 'said>(
    said: impl IntoIterator<Item = (&'said T, String, Bytes)>,
    decode: fn(&[u8]) -> Result<T, Error>,
) -> String {
    let mut lines = String::new();
    for (message, shown, bytes) in said {
        assert_eq!(decode(&bytes).as_ref(), Ok(message));
        let variant = shown.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        writeln!(lines, "{variant} {}", hex(&bytes)).expect("a text takes all");
    }
    lines
}

#[test]
fn requests_keep_their_bytes() {
    let requests = requests();
    let said = requests.iter().map(|request| (request, format!("{:?}", request.body), request.encode()));
    expect_file!["corpus/requests.txt"].assert_eq(&lines(said, Request::decode));
}

#[test]
fn replies_keep_their_bytes() {
    let replies = replies();
    let said = replies.iter().map(|reply| (reply, format!("{reply:?}"), reply.encode()));
    expect_file!["corpus/replies.txt"].assert_eq(&lines(said, Reply::decode));
}

/// A length inside the bytes that promises gigabytes is not believed.
#[test]
fn garbage_is_refused() {
    let long = [&[1, 0, 0][..], &[0xff; 64]].concat();
    for garbage in [&b""[..], b"\x01", b"\x02\x00", b"\x01\x00\x63", &long, &vec![0; FRAME_MAX + 1]] {
        assert!(Request::decode(garbage).is_err());
        assert!(Reply::decode(garbage).is_err());
    }
}
