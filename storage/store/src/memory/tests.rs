//! The disk's faults: crash, stall, injected failure.

use super::{Disk, Memory};
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
        let disk = Disk::new();
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
