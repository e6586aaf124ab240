//! What every engine must do, as one call: [`run`] over a [`Bed`] that can open it, crash it and open it again.
//!
//! A case panics with what it found. How much a crash case proves depends on the bed: it can only find lost what the
//! bed's `crash` really takes away, so a bed says in its doc what that is.

mod crash;
mod running;
#[cfg(test)]
mod tests;

use crate::batch::Batch;
use crate::engine::{Engine, Pair};
use crate::error::Error;
use std::sync::mpsc;
use std::time::Duration;

/// How long a case waits for a callback before it calls the engine stuck.
const PATIENCE: Duration = Duration::from_secs(60);

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
}

/// Runs every case, each over a new bed.
///
/// # Panics
/// When the engine breaks a promise.
pub fn run<B: Bed>(mut bed: impl FnMut() -> B) {
    running::bounds(&mut bed());
    running::order_inside_a_batch(&mut bed());
    running::callbacks(&mut bed());
    running::callback_may_append(&mut bed());
    running::writes(&mut bed());
    running::large_values(&mut bed());
    running::appenders(&mut bed());
    running::in_use(&mut bed());
    running::reopen(&mut bed());
    crash::acknowledged(&mut bed());
    crash::every_point(&mut bed);
    crash::writes_before_an_append(&mut bed());
    crash::unsynced_writes(&mut bed());
    crash::whole_batches(&mut bed());
    crash::appenders(&mut bed());
}

fn open<B: Bed>(bed: &mut B) -> B::Engine {
    bed.open().unwrap_or_else(|error| panic!("cannot open the engine: {error}"))
}

/// A key: a prefix, then a number that sorts.
fn key(prefix: u8, number: u32) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend(number.to_be_bytes());
    key
}

fn put(key: Vec<u8>, value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(key, value);
    batch
}

/// Appends and waits until it is called back.
fn append(engine: &impl Engine, batch: Batch) -> Result<(), Error> {
    let (sender, receiver) = mpsc::channel();
    engine.append(batch, Box::new(move |result| sender.send(result).expect("the case waits")));
    receiver.recv_timeout(PATIENCE).expect("an append was never called back")
}

fn all(engine: &impl Engine) -> Vec<Pair> {
    engine.scan(&[], &[0xff; 8], usize::MAX).expect("scan")
}

/// How many of the keys `prefix 0`, `prefix 1`, … are there.
///
/// # Panics
/// When one is there without the one before it.
fn run_of(engine: &impl Engine, prefix: u8) -> u32 {
    let pairs = engine.scan(&[prefix], &[prefix + 1], usize::MAX).expect("scan");
    for (number, (found, _)) in (0..).zip(&pairs) {
        assert_eq!(*found, key(prefix, number), "a later batch is there without an earlier one");
    }
    u32::try_from(pairs.len()).expect("few keys")
}
