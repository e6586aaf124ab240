//! Golden bytes: whoever changes them changes the disk format and the wire of every cluster there is.

use super::*;
use expect_test::{Expect, expect};

fn check<T: serde::Serialize>(value: &T, expected: Expect) {
    let bytes = codec::encode(value);
    expected.assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

#[test]
fn small_rows_keep_their_bytes() {
    let log_id = LogId { term: 3, index: 300 };
    check(&log_id, expect!["0103fb2c01"]);
    check(
        &Vote { term: 3, node: node(1), committed: true },
        expect!["0103010101010101010101010101010101010101010101010101010101010101010101"],
    );
    let membership = Membership { log_id: Some(log_id), voters: vec![vec![node(1)], vec![]], learners: vec![node(2)] };
    check(
        &Applied { generation: 7, last: None, membership, root: Hash([7; 32]) },
        expect![
            "0107000103fb2c0102010101010101010101010101010101010101010101010101010101010101010101000102020202020202020202020202020202020202020202020202020202020202020707070707070707070707070707070707070707070707070707070707070707"
        ],
    );
}

#[test]
fn entries_keep_their_bytes() {
    let entry = |payload| types::Entry::new(types::LogId::new(3.into(), 300), payload);
    let check = |payload: Payload, expected: Expect| {
        let bytes = encode_entry(&entry(payload.clone()));
        expected.assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(decode_entry(&bytes), Ok(entry(payload)));
    };
    check(EntryPayload::Blank, expect!["0103fb2c0100"]);
    check(EntryPayload::Normal(Data(vec![0xab; 3].into())), expect!["0103fb2c010203ababab"]);
    let membership = membership_of(vec![vec![node(1)]], vec![node(2)]);
    check(
        EntryPayload::Membership(membership),
        expect![
            "0103fb2c010101010101010101010101010101010101010101010101010101010101010101010101010202020202020202020202020202020202020202020202020202020202020202"
        ],
    );
}

#[test]
fn votes_and_memberships_survive_the_way_there_and_back() {
    let vote = Vote { term: 3, node: node(1), committed: true };
    assert_eq!(Vote::from(&types::Vote::from(vote)), vote);
    let membership = Membership {
        log_id: Some(LogId { term: 1, index: 2 }),
        voters: vec![vec![node(1), node(2)], vec![node(2), node(3)]],
        learners: vec![node(4)],
    };
    assert_eq!(Membership::from(&types::StoredMembership::from(membership.clone())), membership);
}
