//! Golden bytes of what replicas say, and what becomes of garbage.

use super::*;
use expect_test::{Expect, expect};
use symbi_model::Hash;
use symbi_model::entry::Payload;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vote() -> Vote {
    Vote { term: 2, node: NodeId([1; 32]), committed: true }
}

fn log_id() -> LogId {
    LogId { term: 2, index: 9 }
}

fn ballot() -> Ballot {
    Ballot { vote: vote(), last: Some(log_id()), transfer: true }
}

fn asks(body: Body, expected: Expect) {
    let request = Request { group: GroupId(0), body };
    let bytes = request.encode();
    expected.assert_eq(&hex(&bytes));
    assert_eq!(Request::decode(&bytes), Ok(request));
}

fn answers(reply: Reply, expected: Expect) {
    let bytes = reply.encode();
    expected.assert_eq(&hex(&bytes));
    assert_eq!(Reply::decode(&bytes), Ok(reply));
}

#[test]
fn requests_keep_their_bytes() {
    let entries = vec![Entry { term: 2, index: 10, payload: Payload::Batch(vec![0xab]) }];
    asks(
        Body::Append(Append { vote: vote(), previous: Some(log_id()), entries, commit: None }),
        expect!["0100000201010101010101010101010101010101010101010101010101010101010101010101020901020a0201ab00"],
    );
    asks(
        Body::Vote(ballot()),
        expect!["0100010201010101010101010101010101010101010101010101010101010101010101010101020901"],
    );
    asks(
        Body::PreVote(ballot()),
        expect!["0100020201010101010101010101010101010101010101010101010101010101010101010101020901"],
    );
    asks(
        Body::Transfer { from: vote(), to: NodeId([3; 32]), last: None },
        expect![
            "01000302010101010101010101010101010101010101010101010101010101010101010101030303030303030303030303030303030303030303030303030303030303030300"
        ],
    );
    let header = Header { root: Hash([4; 32]), head: Hash([5; 32]), records: 6 };
    let begin = Begin { transfer: 7, vote: vote(), last: Some(log_id()), membership: Membership::default(), header };
    asks(
        Body::Begin(begin),
        expect![
            "01000407020101010101010101010101010101010101010101010101010101010101010101010102090000000404040404040404040404040404040404040404040404040404040404040404050505050505050505050505050505050505050505050505050505050505050506"
        ],
    );
    let rows = Frame::Rows(vec![(1, vec![2], vec![3])]);
    asks(Body::Frame { transfer: 7, sequence: 0, frame: rows }, expect!["010005070000010101020103"]);
    let audit = Frame::Audit(vec![(9, 0, vec![3])]);
    asks(Body::Frame { transfer: 7, sequence: 1, frame: audit }, expect!["0100050701010109000103"]);
    asks(Body::End { transfer: 7, frames: 2 }, expect!["0100060702"]);
}

#[test]
fn replies_keep_their_bytes() {
    answers(Reply::Appended, expect!["0100"]);
    answers(Reply::AppendedTo(Some(log_id())), expect!["0101010209"]);
    answers(Reply::Conflict, expect!["0102"]);
    answers(
        Reply::HigherVote(vote()),
        expect!["010302010101010101010101010101010101010101010101010101010101010101010101"],
    );
    answers(
        Reply::Vote { vote: vote(), granted: true, last: None },
        expect!["0104020101010101010101010101010101010101010101010101010101010101010101010100"],
    );
    answers(Reply::Transferred, expect!["0105"]);
    answers(
        Reply::TransferVoteChanged { expected: vote(), actual: vote() },
        expect![
            "01060201010101010101010101010101010101010101010101010101010101010101010102010101010101010101010101010101010101010101010101010101010101010101"
        ],
    );
    answers(Reply::TransferBehind { expected: Some(log_id()), actual: None }, expect!["010701020900"]);
    answers(Reply::Continue, expect!["0108"]);
    answers(
        Reply::Installed(vote()),
        expect!["010902010101010101010101010101010101010101010101010101010101010101010101"],
    );
    answers(Reply::SnapshotRefused { reason: "no".to_owned() }, expect!["010a026e6f"]);
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
