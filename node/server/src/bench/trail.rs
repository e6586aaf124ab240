//! Lines as a ledger has them, on the node's own disk, that nobody reads: what recording costs, without a word in the ledger
//! of messages that no agent has sent.
//!
//! Bounds: [`KEPT`] lines, the oldest overwritten; [`PENDING`] on their way to the disk, beyond which a line waits.

use std::sync::Arc;
use symbi_model::Hash;
use symbi_model::codec;
use symbi_model::ledger::{Entry, Line};
use symbi_store::{Engine, WriteBatch};
use tokio::sync::Semaphore;

/// The first byte of the rows' keys; the replica's are under 1, the ledger's under 2.
const SPACE: u8 = 3;
/// Lines that are kept at most.
const KEPT: u64 = 4096;
/// Lines on their way to the disk at most.
const PENDING: usize = 64;

/// A chain of lines.
pub struct Trail {
    /// Where they go.
    engine: Arc<dyn Engine>,
    /// Tells this chain's rows from others'.
    place: u8,
    /// The number of the last line.
    number: u64,
    /// The hash of the last line.
    previous: Hash,
    /// Room on the way to the disk.
    room: Arc<Semaphore>,
}

impl Trail {
    /// An empty one.
    pub fn new(engine: Arc<dyn Engine>, place: u8) -> Self {
        Self { engine, place, number: 0, previous: Hash::default(), room: Arc::new(Semaphore::new(PENDING)) }
    }

    /// Chains an entry and hands it to the disk.
    pub async fn record(&mut self, time_ms: u64, entry: Entry) {
        self.number += 1;
        let line = Line::chained(self.number, time_ms, entry, self.previous);
        self.previous = line.hash;
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
        let mut batch = WriteBatch::new();
        batch.put(self.key(self.number % KEPT), codec::encode(&line));
        self.engine.append(batch, Box::new(move |_| drop(room)));
    }

    fn key(&self, number: u64) -> Vec<u8> {
        [&[SPACE, self.place][..], &number.to_be_bytes()].concat()
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let mut batch = WriteBatch::new();
        batch.delete_range(vec![SPACE, self.place], vec![SPACE, self.place + 1]);
        // What stays is overwritten by the next run.
        let _ = self.engine.write(batch);
    }
}
