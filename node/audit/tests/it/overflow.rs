//! The greatest numbers: nothing follows them, and nothing panics.

use crate::chain::{World, node};
use symbi_audit::{Chain, Cluster, Line, What, verify};

#[test]
fn no_entry_follows_the_last_index() {
    let mut world = World::nothing(0xc1, "symbi");
    world.raft("raft.blank", &[]);
    world.raft("raft.blank", &[]);
    let records = world.records_of("raft.blank");
    for record in records {
        record.index = u64::MAX;
    }
    world.relink();
    let mut chain = Chain::new(Cluster([0; 16]), 0);
    let mut failures = world.lines().into_iter().filter_map(|line| match line {
        Line::Record(record) => chain.record(record).err(),
        _ => None,
    });
    assert_eq!(failures.next().expect("none can follow").what, What::Greatest("entry"));
}

#[test]
fn no_batch_of_messages_follows_the_last_number() {
    let mut world = World::full(0xc1, "symbi");
    let last = |entry: &mut symbi_model::ledger::Entry| {
        if let symbi_model::ledger::Entry::Sent(batch) = entry {
            let attestation = batch.attestation.as_mut().expect("sent is signed");
            (attestation.batch, attestation.last) = (u64::MAX, u64::MAX);
        }
    };
    world.ledgers.get_mut(&node(1)).expect("it has one").iter_mut().for_each(|line| last(&mut line.entry));
    world.relink_ledger(1);
    assert!(verify(world.bundle().as_slice(), None).is_err(), "refused, and not by a panic");
}
