//! The disk's faults: crash, stall, injected failure.

use super::{Disk, Memory, Remains};
use crate::engine::Engine;
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::sync::{Arc, Mutex};

/// What callbacks said, in order.
type Said = Vec<(u8, Result<(), Error>)>;

/// An open engine, and what its callbacks said.
struct Rig {
    /// The disk.
    disk: Arc<Disk>,
    /// The engine that has it open.
    memory: Memory,
    /// What its callbacks said.
    said: Arc<Mutex<Said>>,
}

impl Rig {
    fn new() -> Self {
        Self::on(Disk::new())
    }

    fn on(disk: Arc<Disk>) -> Self {
        Self { memory: Memory::open(Arc::clone(&disk)).expect("open"), disk, said: Arc::default() }
    }

    fn append(&self, key: u8) {
        let said = Arc::clone(&self.said);
        self.memory.append(batch(key), Box::new(move |result| said.lock().expect("alone").push((key, result))));
    }

    fn said(&self) -> Said {
        std::mem::take(&mut *self.said.lock().expect("alone"))
    }

    fn keys(&self) -> Vec<u8> {
        keys(&self.memory)
    }
}

fn batch(key: u8) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put([key], [key]);
    batch
}

fn keys(memory: &Memory) -> Vec<u8> {
    memory.scan(&[0], &[255], 99).expect("scan").into_iter().map(|(key, _)| key[0]).collect()
}

#[test]
fn a_crash_takes_what_was_not_synced_and_closes() {
    let rig = Rig::new();
    rig.append(1);
    rig.memory.write(batch(2)).expect("write");
    assert_eq!(rig.keys(), [1, 2]);
    rig.disk.crash();
    assert_eq!(rig.memory.get(&[1]), Err(Error::Closed));
    assert_eq!(rig.memory.write(batch(3)), Err(Error::Closed));
    let again = Memory::open(Arc::clone(&rig.disk)).expect("a crash sets it free");
    assert_eq!(keys(&again), [1]);
    // The dead handle's drop must not close the new one.
    drop(rig.memory);
    assert_eq!(Memory::open(rig.disk).map(drop), Err(Error::InUse { path: "the disk in memory".to_owned() }));
}

#[test]
fn a_backup_that_is_put_back_is_all_that_is_there() {
    let rig = Rig::new();
    rig.append(1);
    rig.memory.write(batch(2)).expect("write");
    let backup = rig.disk.backup();
    rig.append(3);
    rig.disk.crash();
    rig.disk.put_back(backup);
    assert_eq!(keys(&Memory::open(Arc::clone(&rig.disk)).expect("open")), [1]);
    rig.disk.crash();
    assert_eq!(keys(&Memory::open(rig.disk).expect("open")), [1]);
}

#[test]
fn a_stall_withholds_appends_and_nothing_else() {
    let rig = Rig::new();
    rig.disk.stall();
    rig.append(1);
    rig.append(2);
    rig.memory.write(batch(3)).expect("writes go on");
    assert_eq!((rig.said(), rig.keys(), rig.disk.waiting()), (vec![], vec![3], 2));
    rig.disk.resume();
    assert_eq!((rig.said(), rig.keys()), (vec![(1, Ok(())), (2, Ok(()))], vec![1, 2, 3]));
    rig.disk.crash();
    assert_eq!(keys(&Memory::open(rig.disk).expect("open")), [1, 2, 3]);
}

#[test]
fn a_crash_in_a_stall_calls_nothing_back() {
    let rig = Rig::new();
    rig.append(1);
    rig.disk.stall();
    rig.append(2);
    rig.disk.crash();
    rig.disk.resume();
    assert_eq!(rig.said(), [(1, Ok(()))]);
    assert_eq!(keys(&Memory::open(rig.disk).expect("open")), [1]);
}

#[test]
fn a_close_in_a_stall_refuses_what_waits() {
    let Rig { disk, memory, said } = Rig::new();
    disk.stall();
    let heard = Arc::clone(&said);
    memory.append(batch(1), Box::new(move |result| heard.lock().expect("alone").push((1, result))));
    drop(memory);
    assert_eq!(*said.lock().expect("alone"), [(1, Err(Error::Closed))]);
}

#[test]
fn a_failure_is_the_last_until_it_is_opened_again() {
    let rig = Rig::new();
    rig.append(1);
    rig.disk.fail_next(Error::Full);
    assert_eq!(rig.memory.failure(), None);
    rig.append(2);
    rig.append(3);
    assert_eq!(rig.memory.failure(), Some(Error::Full));
    assert_eq!(rig.said(), [(1, Ok(())), (2, Err(Error::Full)), (3, Err(Error::Full))]);
    assert_eq!(rig.memory.write(batch(4)), Err(Error::Full));
    assert_eq!(rig.keys(), [1], "reads go on");
    drop(rig.memory);
    let again = Memory::open(rig.disk).expect("open");
    assert_eq!(again.failure(), None);
    again.write(batch(4)).expect("a new opening writes");
    assert_eq!(keys(&again), [1, 4]);
}

#[test]
fn a_delayed_disk_syncs_when_it_is_told_to() {
    let rig = Rig::new();
    let woken = Arc::new(Mutex::new(0));
    let count = Arc::clone(&woken);
    rig.disk.delay(move || *count.lock().expect("alone") += 1);
    rig.append(1);
    rig.append(2);
    assert_eq!((*woken.lock().expect("alone"), rig.said(), rig.keys()), (2, vec![], vec![]));
    rig.disk.sync();
    assert_eq!((rig.said(), rig.keys()), (vec![(1, Ok(())), (2, Ok(()))], vec![1, 2]));
    rig.disk.stall();
    rig.append(3);
    rig.disk.sync();
    assert_eq!(rig.said(), [], "a stalled disk syncs nothing");
    rig.disk.resume();
    assert_eq!((*woken.lock().expect("alone"), rig.said()), (4, vec![]), "who syncs is told");
    rig.disk.sync();
    assert_eq!(rig.said(), [(3, Ok(()))]);
}

/// Of an append in flight a crash leaves all or nothing, and never calls back; what it leaves is in the order of the log.
#[test]
fn a_crash_may_keep_what_was_in_flight() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let rig = Rig::on(Disk::seeded(seed));
        rig.append(1);
        rig.disk.stall();
        rig.append(2);
        rig.append(3);
        let remains = rig.disk.crash();
        assert_eq!(rig.said(), [(1, Ok(()))], "only what was synced is called back");
        let left = keys(&Memory::open(Arc::clone(&rig.disk)).expect("open"));
        let wanted: &[u8] = [&[1][..], &[1, 2], &[1, 2, 3]][remains.kept];
        assert_eq!(left, wanted, "seed {seed}");
        assert_eq!(remains.kept + remains.lost + usize::from(remains.torn), 2, "each has one fate");
        seen.insert((remains.kept, remains.torn));
    }
    let all = [(0, false), (0, true), (1, true), (2, false)];
    assert!(all.iter().all(|fate| seen.contains(fate)), "not every fate was drawn: {seen:?}");
}

#[test]
fn a_crash_at_a_byte_drops_the_record_that_it_tears() {
    let rig = Rig::new();
    rig.memory.write(batch(1)).expect("write");
    rig.memory.write(batch(2)).expect("write");
    assert_eq!(rig.disk.crash_keeping(3, 4), Remains { kept: 1, lost: 0, torn: true });
    assert_eq!(keys(&Memory::open(Arc::clone(&rig.disk)).expect("open")), [1]);
}

#[test]
fn a_full_disk_refuses_whoever_opens_it_until_there_is_room() {
    let rig = Rig::new();
    rig.append(1);
    rig.disk.fill();
    rig.append(2);
    assert_eq!(rig.said(), [(1, Ok(())), (2, Err(Error::Full))]);
    assert_eq!((rig.keys(), rig.memory.failure()), (vec![1], Some(Error::Full)), "reads go on");
    drop(rig.memory);
    let again = Memory::open(Arc::clone(&rig.disk)).expect("open");
    assert_eq!(again.write(batch(3)), Err(Error::Full));
    drop(again);
    rig.disk.crash();
    let still = Memory::open(Arc::clone(&rig.disk)).expect("open");
    assert_eq!(still.write(batch(3)), Err(Error::Full), "a crash makes no room");
    drop(still);
    rig.disk.free();
    let again = Memory::open(rig.disk).expect("open");
    again.write(batch(4)).expect("there is room");
    assert_eq!(keys(&again), [1, 4]);
}

/// A sync that failed says nothing of what is on the disk: the next opening finds the batch or not, and all behind it neither.
#[test]
fn what_failed_may_be_there_after_the_next_opening() {
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let rig = Rig::on(Disk::seeded(seed));
        rig.disk.stall();
        rig.append(1);
        rig.append(2);
        rig.disk.fail_next(Error::Io("EIO".to_owned()));
        rig.disk.resume();
        let failed = || Err(Error::Io("EIO".to_owned()));
        assert_eq!((rig.said(), rig.keys()), (vec![(1, failed()), (2, failed())], vec![]));
        drop(rig.memory);
        found.insert(keys(&Memory::open(rig.disk).expect("open")));
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [vec![], vec![1], vec![1, 2]]);
}

#[test]
fn a_write_that_fails_takes_what_waits_with_it() {
    let rig = Rig::new();
    rig.disk.stall();
    rig.append(1);
    rig.disk.fill();
    assert_eq!(rig.memory.write(batch(2)), Err(Error::Full));
    assert_eq!(rig.said(), [(1, Err(Error::Full))], "nothing comes behind what failed");
    rig.disk.resume();
    assert_eq!((rig.said(), rig.disk.waiting()), (vec![], 0));
}
