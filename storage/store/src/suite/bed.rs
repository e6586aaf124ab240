//! What a case needs of the place where an engine stores its rows, and what all cases do with it.

use crate::engine::{Engine, Pair};
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::sync::mpsc;
use std::time::Duration;

/// How long a case waits for a callback before it calls the engine stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A place for one engine: what it stores outlives it.
pub trait Bed {
    /// The engine.
    type Engine: Engine;

    /// Opens what the last close, or the last crash, left.
    ///
    /// # Errors
    /// What the engine says.
    fn open(&mut self) -> Result<Self::Engine, Error>;

    /// Takes from the stored data whatever a crash at this moment may take; an engine that is open still counts as dead,
    /// and the next [`Bed::open`] sees what is left.
    fn crash(&mut self);

    /// As [`Bed::crash`], but of the bytes that are not synced it leaves the first `part` of `of` parts, to the byte, and takes
    /// the rest. The cases call [`Bed::synced`] when nothing before that is in flight.
    fn crash_keeping(&mut self, part: u64, of: u64);

    /// Told that everything appended so far was called back, and nothing was written since.
    fn synced(&mut self);

    /// Makes the next append or write meet an error; answers whether that can be done here.
    fn fail_next(&mut self, error: Error) -> bool;
}

pub(super) fn open<B: Bed>(bed: &mut B) -> B::Engine {
    bed.open().unwrap_or_else(|error| panic!("cannot open the engine: {error}"))
}

/// A key: a prefix, then a number that sorts.
pub(super) fn key(prefix: u8, number: u32) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend(number.to_be_bytes());
    key
}

pub(super) fn put(key: Vec<u8>, value: &[u8]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(key, value);
    batch
}

/// Appends and waits until it is called back.
pub(super) fn append(engine: &impl Engine, batch: WriteBatch) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    engine.append(batch, Box::new(move |result| sender.send(result).expect("the case waits")));
    receiver.recv_timeout(PATIENCE).expect("an append was never called back")
}

pub(super) fn all(engine: &impl Engine) -> Vec<Pair> {
    engine.scan(&[], &[0xff; 8], usize::MAX).expect("scan")
}

/// How many of the keys `prefix 0`, `prefix 1`, … are there.
///
/// # Panics
/// When one is there without the one before it.
pub(super) fn run_of(engine: &impl Engine, prefix: u8) -> u32 {
    let pairs = engine.scan(&[prefix], &[prefix + 1], usize::MAX).expect("scan");
    for (number, (found, _)) in (0..).zip(&pairs) {
        assert_eq!(*found, key(prefix, number), "a later batch is there without an earlier one");
    }
    u32::try_from(pairs.len()).expect("few keys")
}
