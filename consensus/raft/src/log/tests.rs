//! Tests of the log over a disk that can be stalled and cut off.

use super::*;
use crate::disk::Disk;
use crate::entry::Data;
use crate::log::reader::SHIPMENT_BYTES;
use crate::types::Entry;
use futures::FutureExt;
use openraft::entry::RaftEntry;
use openraft::{EntryPayload, RaftLogReader};
use symbi_model::{GroupId, NodeId};
use symbi_store::memory;

fn open(disk: &Arc<memory::Disk>) -> Log {
    let engine = memory::Memory::open(disk.clone()).expect("the disk is closed");
    Log::open(Disk::new(Arc::new(engine)).0, Keys::new(GroupId(0))).expect("it opens")
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    Entry::new(types::LogId::new(term.into(), index), EntryPayload::Normal(Data(vec![7; bytes].into())))
}

async fn append(log: &mut Log, entries: impl IntoIterator<Item = Entry>) {
    let entries: Vec<Entry> = entries.into_iter().collect();
    log.append(entries, IOFlushed::noop()).await.expect("it appends");
}

async fn indexes(log: &mut Log) -> Vec<(u64, u64)> {
    let entries = log.get_log_reader().await.try_get_log_entries(..).await.expect("it reads");
    entries.iter().map(|entry| (entry.log_id.leader_id.term, entry.log_id.index)).collect()
}

#[tokio::test(start_paused = true)]
async fn entries_are_readable_before_they_are_durable() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    disk.stall();
    append(&mut log, (0..3).map(|index| entry(1, index, 10))).await;
    assert_eq!(indexes(&mut log).await, [(1, 0), (1, 1), (1, 2)]);
    disk.crash();
    drop(log);
    assert_eq!(indexes(&mut open(&disk)).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_vote_is_answered_when_it_is_durable() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    let vote = Vote { term: 4, replica: NodeId([1; 32]).into(), committed: false };
    disk.stall();
    {
        let vote = types::Vote::from(vote);
        let mut saving = std::pin::pin!(log.save_vote(&vote));
        assert!(saving.as_mut().now_or_never().is_none(), "the disk hangs");
        disk.resume();
        saving.await.expect("it is saved");
    }
    disk.crash();
    drop(log);
    let mut reader = open(&disk).get_log_reader().await;
    assert_eq!(reader.read_vote().await.expect("it reads"), Some(vote.into()));
}

/// Else a process that is killed would find more committed than it has, and not start again.
#[tokio::test(start_paused = true)]
async fn what_is_committed_is_saved_once_it_is_durable() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    let second = types::LogId::new(1.into(), 1);
    disk.stall();
    append(&mut log, [entry(1, 0, 10), entry(1, 1, 10)]).await;
    log.save_committed(Some(second)).await.expect("it is taken");
    assert_eq!(log.read_committed().await.expect("it reads"), None);
    disk.resume();
    log.save_committed(Some(second)).await.expect("it is saved");
    drop(log);
    assert_eq!(open(&disk).read_committed().await.expect("it reads"), Some(second));
}

#[tokio::test(start_paused = true)]
async fn a_truncation_lasts() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    append(&mut log, (0..5).map(|index| entry(1, index, 10))).await;
    log.truncate_after(Some(types::LogId::new(1.into(), 1))).await.expect("it truncates");
    disk.stall();
    append(&mut log, (2..4).map(|index| entry(2, index, 10))).await;
    assert_eq!(indexes(&mut log).await, [(1, 0), (1, 1), (2, 2), (2, 3)]);
    disk.crash();
    drop(log);
    assert_eq!(indexes(&mut open(&disk)).await, [(1, 0), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_shipment_is_bounded_and_never_empty() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    let long = SHIPMENT_BYTES / 3;
    append(&mut log, [entry(1, 0, 10), entry(1, 1, long), entry(1, 2, long), entry(1, 3, long)]).await;
    append(&mut log, [entry(1, 4, 600 * 1024), entry(1, 5, 600 * 1024)]).await;
    let cached = shipments(&mut log).await;
    assert_eq!(cached, [vec![0, 1, 2], vec![3], vec![4], vec![5]]);
    drop(log);
    assert_eq!(shipments(&mut open(&disk)).await, cached, "the same from disk");
}

async fn shipments(log: &mut Log) -> Vec<Vec<u64>> {
    let mut reader = log.get_log_reader().await;
    let mut shipments = Vec::new();
    let mut from = 0;
    while from < 6 {
        let shipment = reader.limited_get_log_entries(from, 6).await.expect("it reads");
        let indexes: Vec<u64> = shipment.iter().map(|entry| entry.log_id.index).collect();
        from = indexes.last().expect("never empty") + 1;
        shipments.push(indexes);
    }
    shipments
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_refused() {
    let mut log = open(&memory::Disk::new());
    append(&mut log, [entry(1, 0, 10)]).await;
    assert!(log.append(vec![entry(1, 2, 10)], IOFlushed::noop()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn groups_on_one_disk_do_not_meet() {
    let disk = memory::Disk::new();
    let engine: Arc<dyn Engine> = Arc::new(memory::Memory::open(disk).expect("the disk is closed"));
    let log = |group| Log::open(Disk::new(engine.clone()).0, Keys::new(GroupId(group))).expect("it opens");
    let (mut zero, mut one) = (log(0), log(1));
    append(&mut zero, (0..5).map(|index| entry(1, index, 10))).await;
    append(&mut one, (0..3).map(|index| entry(2, index, 10))).await;
    zero.purge(types::LogId::new(1.into(), 3)).await.expect("it purges");
    one.truncate_after(Some(types::LogId::new(2.into(), 0))).await.expect("it truncates");
    assert_eq!(indexes(&mut log(0)).await, [(1, 4)]);
    assert_eq!(indexes(&mut log(1)).await, [(2, 0)]);
}

/// Weighed the same whether it is in memory, on the disk, or read anew.
#[tokio::test(start_paused = true)]
async fn a_log_is_weighed_without_being_read() {
    let disk = memory::Disk::new();
    let mut log = open(&disk);
    append(&mut log, (0..10).map(|index| entry(1, index, 1_000))).await;
    let meter = log.meter();
    let one = meter.weigh(0, 1).expect("it is weighed");
    assert!((1_000..1_100).contains(&one), "{one}");
    assert_eq!(meter.weigh(2, 9).expect("it is weighed"), 7 * one);
    assert_eq!(meter.weigh(2, 100).expect("it is weighed"), 7 * one, "there are no more");
    assert_eq!(meter.weigh(9, 3).expect("it is weighed"), 0);

    let purged = types::LogId::new(1.into(), 4);
    log.purge(purged).await.expect("it purges");
    assert_eq!(meter.weigh(0, 9).expect("it is weighed"), 5 * one, "what is purged weighs nothing");
    log.truncate_after(Some(types::LogId::new(1.into(), 7))).await.expect("it truncates");
    assert_eq!(meter.weigh(0, 9).expect("it is weighed"), 3 * one);
    append(&mut log, [entry(2, 8, 2_000)]).await;
    let heavy = meter.weigh(7, 8).expect("it is weighed");
    assert!((2_000..2_100).contains(&heavy), "{heavy}");

    drop((log, meter));
    let mut log = open(&disk);
    let meter = log.meter();
    assert_eq!(meter.weigh(4, 8).expect("it is weighed"), 3 * one + heavy);
    append(&mut log, [entry(2, 9, 1_000)]).await;
    assert_eq!(meter.weigh(6, 9).expect("it is weighed"), 2 * one + heavy);
}
