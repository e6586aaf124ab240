//! Golden bytes: whoever changes them changes the disk format and the wire of every cluster there is.

use super::*;
use crate::entry::Data;
use expect_test::{Expect, expect};
use symbi_model::NodeId;

fn check<T: serde::Serialize>(value: &T, expected: Expect) {
    let bytes = codec::encode(value);
    expected.assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

fn replica(number: u8) -> ReplicaId {
    ReplicaId { node: NodeId([number; 32]), number: u64::from(number) - 1 }
}

#[test]
fn small_rows_keep_their_bytes() {
    let log_id = LogId { term: 3, index: 300 };
    check(&log_id, expect!["0103fb2c01"]);
    check(
        &Vote { term: 3, replica: replica(1), committed: true },
        expect!["010301010101010101010101010101010101010101010101010101010101010101010001"],
    );
    let membership =
        Membership { log_id: Some(log_id), voters: vec![vec![replica(1)], vec![]], learners: vec![replica(2)] };
    check(
        &Applied { generation: 7, last: None, membership, root: Hash([7; 32]) },
        expect![
            "0107000103fb2c01020101010101010101010101010101010101010101010101010101010101010101010000010202020202020202020202020202020202020202020202020202020202020202010707070707070707070707070707070707070707070707070707070707070707"
        ],
    );
}

#[test]
fn entries_keep_their_bytes() {
    let entry = |payload| types::Entry::new(types::LogId::new(3.into(), 300), payload);
    let check = |payload: types::Payload, expected: Expect| {
        let bytes = pack(0x0102, &entry(payload.clone()));
        expected.assert_eq(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(unpack(&bytes), Ok((0x0102, entry(payload))));
        assert_eq!(begin(&bytes), Ok(0x0102));
    };
    check(EntryPayload::Blank, expect!["00000000000001020103fb2c0100"]);
    check(EntryPayload::Normal(Data(vec![0xab; 3].into())), expect!["00000000000001020103fb2c010203ababab"]);
    let membership = membership_of(vec![vec![replica(1)]], vec![replica(2)]);
    check(
        EntryPayload::Membership(membership),
        expect![
            "00000000000001020103fb2c0101010101010101010101010101010101010101010101010101010101010101010101010001020202020202020202020202020202020202020202020202020202020202020201"
        ],
    );
}

#[test]
fn votes_and_memberships_survive_the_way_there_and_back() {
    let vote = Vote { term: 3, replica: replica(1), committed: true };
    assert_eq!(Vote::from(&types::Vote::from(vote)), vote);
    let membership = Membership {
        log_id: Some(LogId { term: 1, index: 2 }),
        voters: vec![vec![replica(1), replica(2)], vec![replica(2), replica(3)]],
        learners: vec![replica(4)],
    };
    assert_eq!(Membership::from(&types::StoredMembership::from(membership.clone())), membership);
}
