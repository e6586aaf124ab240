//! Generations: each install of a snapshot fills rows under a number never used before, beside those in use.
//!
//! So a crash in the middle leaves the old state whole, and one row decides which generation is the state.

use crate::disk::{Disk, Keys, sync};
use crate::error::storage;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use symbi_store::{Engine, WriteBatch};
use tokio::sync::watch;

/// The rows of one generation. Whoever reads them holds one of these; when the last one goes and the generation was
/// retired, or never came into use, its rows are deleted.
pub struct Generation {
    /// Its number.
    number: u64,
    /// Whether its rows go with it.
    retired: AtomicBool,
    /// The disk.
    engine: Weak<dyn Engine>,
    /// The group's keys.
    keys: Keys,
    /// Where it is told how far it is filled.
    filled: watch::Sender<Filled>,
}

impl Generation {
    /// So many rows, of so many bytes, are in it by now.
    pub fn tell(&self, filled: Filled) {
        self.filled.send_replace(filled);
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The disk that it is on, unless the replica was shut down.
    pub fn engine(&self) -> io::Result<Arc<dyn Engine>> {
        upgrade(&self.engine)
    }

    /// The group's keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// It is the state now.
    pub fn keep(&self) {
        self.retired.store(false, Ordering::Release);
    }

    /// It is not the state any more: its rows go when nobody reads them.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        let Some(engine) = self.engine.upgrade().filter(|_| self.retired.load(Ordering::Acquire)) else { return };
        let mut batch = WriteBatch::new();
        let (from, to) = self.keys.generations(self.number, self.number + 1);
        batch.delete_range(from, to);
        // What stays behind now is deleted at the next start.
        if let Err(error) = engine.write(batch) {
            tracing::warn!(%error, generation = self.number, "could not delete a generation that is no longer used");
        }
    }
}

/// How much of a snapshot is on the disk: rows, and bytes of them.
pub type Filled = Option<(u64, u64)>;

/// Gives generations, each number once.
pub struct Generations {
    /// The disk.
    engine: Weak<dyn Engine>,
    /// The group's keys.
    keys: Keys,
    /// The highest number given.
    highest: Mutex<u64>,
    /// The generation that was in use at the start.
    first: u64,
    /// How far the one is that is being filled.
    filled: watch::Sender<Filled>,
}

impl Generations {
    /// Reads the highest number, and deletes what installs that did not finish left behind.
    pub fn open(engine: &Disk, keys: Keys, current: u64) -> io::Result<Self> {
        let stored = engine.get(&keys.highest_generation()).map_err(storage)?;
        let stored = stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let mut batch = WriteBatch::new();
        for (from, to) in [keys.generations(0, current), keys.generations(current + 1, u64::MAX)] {
            if !engine.scan(&from, &to, 1).map_err(storage)?.is_empty() {
                batch.delete_range(from, to);
            }
        }
        engine.write(batch).map_err(storage)?;
        let highest = Mutex::new(stored.max(current));
        Ok(Self { engine: engine.weak(), keys, highest, first: current, filled: watch::Sender::new(None) })
    }

    /// The generation that was in use at the start.
    pub fn first(&self) -> Arc<Generation> {
        self.generation(self.first, false)
    }

    /// A generation never used before. The number is on disk before this returns, so that not even a crash repeats it.
    pub async fn next(&self) -> io::Result<Arc<Generation>> {
        let number = {
            let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
            *highest += 1;
            *highest
        };
        let mut batch = WriteBatch::new();
        batch.put(self.keys.highest_generation(), number.to_be_bytes());
        self.sync(batch).await?;
        Ok(self.generation(number, true))
    }

    /// How far the one is that is being filled; none while none is.
    pub fn filled(&self) -> watch::Receiver<Filled> {
        self.filled.subscribe()
    }

    /// Whether a generation is on this disk.
    pub fn owns(&self, generation: &Generation) -> bool {
        Weak::ptr_eq(&self.engine, &generation.engine)
    }

    /// Writes a batch and waits until it is durable.
    pub async fn sync(&self, batch: WriteBatch) -> io::Result<()> {
        sync(&*upgrade(&self.engine)?, batch).await
    }

    fn generation(&self, number: u64, retired: bool) -> Arc<Generation> {
        let retired = AtomicBool::new(retired);
        Arc::new(Generation {
            number,
            retired,
            engine: self.engine.clone(),
            keys: self.keys,
            filled: self.filled.clone(),
        })
    }
}

fn upgrade(engine: &Weak<dyn Engine>) -> io::Result<Arc<dyn Engine>> {
    engine.upgrade().ok_or_else(|| io::Error::other("the replica was shut down"))
}
