//! The suite over the memory engine, and over engines that lie, which it must find.

use super::{Bed, crash, failure, run};
use crate::engine::{Engine, OnDurable, Pair};
use crate::error::Error;
use crate::memory::{Disk, Memory};
use crate::write_batch::{Op, WriteBatch};
use std::sync::Arc;

/// A memory disk, behind an engine that may lie.
struct MemoryBed<E> {
    /// What outlives the engine. What a crash takes of what was not synced, it says.
    disk: Arc<Disk>,
    /// Makes the engine.
    wrap: fn(Memory) -> E,
}

impl<E: Engine> Bed for MemoryBed<E> {
    type Engine = E;

    fn open(&mut self) -> Result<E, Error> {
        Memory::open(Arc::clone(&self.disk)).map(self.wrap)
    }

    fn crash(&mut self) {
        self.disk.crash();
    }

    fn crash_keeping(&mut self, part: u64, of: u64) {
        self.disk.crash_keeping(part, of);
    }

    fn synced(&mut self) {}

    fn fail_next(&mut self, error: Error) -> bool {
        self.disk.fail_next(error);
        true
    }
}

/// Which promise a [`Liar`] breaks.
#[derive(Clone, Copy)]
enum Lie {
    /// It acknowledges an append that it has only written.
    AcknowledgesUnsynced,
    /// It syncs all but each seventh append.
    SkipsSome,
    /// It calls back before the batch is readable.
    CallsBackEarly,
    /// It writes a batch as two.
    SplitsBatches,
    /// It appends on after a failure.
    ForgetsFailures,
}

/// The memory engine, but for one lie.
struct Liar {
    /// The honest one.
    inner: Memory,
    /// The lie.
    lie: Lie,
    /// How many appends there were.
    appends: std::sync::atomic::AtomicU32,
}

impl Liar {
    fn new(inner: Memory, lie: Lie) -> Self {
        Self { inner, lie, appends: 0.into() }
    }
}

impl Engine for Liar {
    fn append(&self, batch: WriteBatch, on_durable: OnDurable) {
        let number = self.appends.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match self.lie {
            Lie::AcknowledgesUnsynced => on_durable(self.inner.write(batch)),
            Lie::SkipsSome if number % 7 == 6 => on_durable(self.inner.write(batch)),
            Lie::SkipsSome => self.inner.append(batch, on_durable),
            Lie::CallsBackEarly => {
                on_durable(Ok(()));
                self.inner.append(batch, Box::new(|_| ()));
            }
            Lie::SplitsBatches => self.inner.append(batch, on_durable),
            Lie::ForgetsFailures if self.inner.failure().is_some() => on_durable(Ok(())),
            Lie::ForgetsFailures => self.inner.append(batch, on_durable),
        }
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        if !matches!(self.lie, Lie::SplitsBatches) {
            return self.inner.write(batch);
        }
        for op in batch.into_ops() {
            let mut single = WriteBatch::new();
            if let Op::Put { key, value } = op {
                single.put(key, value);
            }
            self.inner.write(single)?;
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.inner.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        self.inner.scan(from, to, limit)
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        self.inner.scan_back(from, to, limit)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Pair>, Error> {
        self.inner.last(from, to)
    }

    fn failure(&self) -> Option<Error> {
        self.inner.failure()
    }
}

#[test]
fn memory_passes() {
    run(|| MemoryBed { disk: Disk::new(), wrap: |memory| memory });
}

#[test]
fn memory_passes_whatever_a_crash_leaves() {
    for seed in 0..40 {
        run(|| MemoryBed { disk: Disk::seeded(seed), wrap: |memory| memory });
    }
}

#[test]
#[should_panic(expected = "acknowledged as durable, but gone")]
fn an_engine_that_acknowledges_before_it_syncs_is_found() {
    run(|| MemoryBed { disk: Disk::new(), wrap: |memory| Liar::new(memory, Lie::AcknowledgesUnsynced) });
}

#[test]
#[should_panic(expected = "acknowledged as durable, but gone")]
fn an_engine_that_skips_a_sync_now_and_then_is_found() {
    // Among threads this liar also calls back out of order, which the suite would find first.
    crash::every_point(&mut || MemoryBed { disk: Disk::new(), wrap: |memory| Liar::new(memory, Lie::SkipsSome) });
}

#[test]
#[should_panic(expected = "called back, but not readable")]
fn an_engine_that_calls_back_too_early_is_found() {
    run(|| MemoryBed { disk: Disk::new(), wrap: |memory| Liar::new(memory, Lie::CallsBackEarly) });
}

#[test]
#[should_panic(expected = "a batch is there in part")]
fn an_engine_that_writes_a_batch_as_two_is_found_by_a_torn_tail() {
    crash::torn(&mut || MemoryBed { disk: Disk::new(), wrap: |memory| Liar::new(memory, Lie::SplitsBatches) });
}

#[test]
#[should_panic(expected = "let through behind one that failed")]
fn an_engine_that_goes_on_after_a_failure_is_found() {
    failure::first_is_last(&mut || MemoryBed {
        disk: Disk::new(),
        wrap: |memory| Liar::new(memory, Lie::ForgetsFailures),
    });
}
