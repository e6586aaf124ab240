//! What a crash may take, and what not.

use super::bed::{Bed, PATIENCE, append, key, open, put, run_of};
use crate::engine::Engine;
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

const LOST: &str = "acknowledged as durable, but gone after a crash";

/// What was called back with `Ok` is there after a crash, several times over.
pub(super) fn acknowledged<B: Bed>(bed: &mut B) {
    let mut acknowledged = 0;
    for _ in 0..4 {
        let engine = open(bed);
        assert!(run_of(&engine, 1) >= acknowledged, "{LOST}");
        for number in run_of(&engine, 1).. {
            append(&engine, put(key(1, number), b"x")).expect("append");
            acknowledged = number + 1;
            if acknowledged % 10 == 0 {
                break;
            }
        }
        bed.crash();
    }
    assert!(run_of(&open(bed), 1) >= acknowledged, "{LOST}");
}

/// A crash after each single append of a short history: the very last acknowledgement counts.
pub(super) fn every_point<B: Bed>(bed: &mut impl FnMut() -> B) {
    for appends in 1..8 {
        let mut bed = bed();
        let engine = open(&mut bed);
        for number in 0..appends {
            append(&engine, put(key(1, number), b"x")).expect("append");
        }
        bed.crash();
        drop(engine);
        assert_eq!(run_of(&open(&mut bed), 1), appends, "{LOST}");
    }
}

/// A write that returned before an append was called is at least as durable as that append.
pub(super) fn writes_before_an_append<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    for number in 0..20 {
        engine.write(put(key(1, number), b"x")).expect("write");
    }
    append(&engine, put(key(2, 0), b"x")).expect("append");
    bed.crash();
    drop(engine);
    let engine = open(bed);
    assert_eq!(run_of(&engine, 2), 1, "{LOST}");
    assert_eq!(run_of(&engine, 1), 20, "an append survived without the writes before it");
}

/// Unsynced writes may go, but only the last ones.
pub(super) fn unsynced_writes<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    append(&engine, put(key(1, 0), b"x")).expect("append");
    for number in 1..50 {
        engine.write(put(key(1, number), b"x")).expect("write");
    }
    bed.crash();
    drop(engine);
    assert!(run_of(&open(bed), 1) >= 1, "{LOST}");
}

/// A batch is there wholly or not at all, whether appended or written.
pub(super) fn whole_batches<B: Bed>(bed: &mut B) {
    let engine = open(bed);
    for number in 0..40 {
        let mut batch = WriteBatch::new();
        for prefix in 1..=5 {
            batch.put(key(prefix, number), vec![prefix; 300]);
        }
        if number % 4 == 0 {
            append(&engine, batch).expect("append");
        } else {
            engine.write(batch).expect("write");
        }
    }
    bed.crash();
    drop(engine);
    let engine = open(bed);
    let whole = run_of(&engine, 1);
    assert!(whole >= 37, "{LOST}");
    for prefix in 2..=5 {
        assert_eq!(run_of(&engine, prefix), whole, "a batch is there in part");
    }
}

/// A crash in the middle of a write to the disk, at many of its bytes: what was synced is there, of the rest the first batches
/// as far as the disk has them whole, and never a part of one.
pub(super) fn torn<B: Bed>(bed: &mut impl FnMut() -> B) {
    const PARTS: u64 = 37;
    const SYNCED: u32 = 5;
    const WRITES: u32 = 8;
    let mut before = SYNCED;
    for part in 0..=PARTS {
        let mut bed = bed();
        let engine = open(&mut bed);
        for number in 0..SYNCED {
            append(&engine, put(key(1, number), &[1; 40])).expect("append");
        }
        bed.synced();
        for number in SYNCED..SYNCED + WRITES {
            let mut batch = put(key(1, number), &[1; 40]);
            batch.put(key(2, number - SYNCED), [2; 90]);
            engine.write(batch).expect("write");
        }
        bed.crash_keeping(part, PARTS);
        drop(engine);
        let engine = open(&mut bed);
        let whole = run_of(&engine, 1);
        assert!(whole >= SYNCED, "{LOST}");
        assert_eq!(run_of(&engine, 2), whole - SYNCED, "a batch is there in part");
        assert!(whole >= before, "more of the log was left, and fewer of its batches are there");
        before = whole;
        append(&engine, put(key(1, whole), b"x")).expect("it goes on behind what is left");
        assert_eq!(run_of(&engine, 1), whole + 1);
    }
    assert_eq!(before, SYNCED + WRITES, "nothing was taken, and something is gone");
}

/// A crash in the middle of eight threads' appends: of each thread, all that was called back by then, and no hole.
pub(super) fn appenders<B: Bed>(bed: &mut B) {
    const THREADS: u8 = 8;
    let engine = open(bed);
    let counters: Vec<Arc<AtomicU32>> = (0..THREADS).map(|_| Arc::default()).collect();
    let (warm, warmed) = mpsc::channel();
    let before = std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, counter, warm) = (&engine, &counters[usize::from(thread)], warm.clone());
            scope.spawn(move || append_through_a_crash(engine, thread, counter, &warm));
        }
        for _ in 0..THREADS {
            warmed.recv_timeout(PATIENCE).expect("a thread never got its first acknowledgements");
        }
        let before: Vec<u32> = counters.iter().map(|counter| counter.load(Ordering::SeqCst)).collect();
        bed.crash();
        before
    });
    drop(engine);
    let engine = open(bed);
    for (thread, acknowledged) in (0..THREADS).zip(before) {
        assert!(run_of(&engine, thread) >= acknowledged, "{LOST}");
    }
}

fn append_through_a_crash(engine: &impl Engine, thread: u8, counter: &Arc<AtomicU32>, warm: &mpsc::Sender<()>) {
    const APPENDS: u32 = 120;
    for number in 0..APPENDS {
        let (counter, warm) = (Arc::clone(counter), warm.clone());
        let on_durable = Box::new(move |result: Result<(), Error>| {
            if result.is_ok() && counter.fetch_add(1, Ordering::SeqCst) == 20 {
                warm.send(()).expect("the case waits");
            }
        });
        engine.append(put(key(thread, number), b"x"), on_durable);
    }
}
