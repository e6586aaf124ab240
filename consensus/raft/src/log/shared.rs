//! What the log and its readers share.

use super::recent::Recent;
use crate::disk::format::{self, LogId, Vote};
use crate::disk::{Disk, Keys};
use crate::error::storage;
use crate::types;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_store::WriteBatch;

/// The log, for all who hold it.
pub(super) struct Shared {
    /// The group's keys.
    pub(super) keys: Keys,
    /// What changes. On its own, because callbacks hold it: one that held the engine might be the last to, on the engine's
    /// own thread.
    pub(super) inner: Arc<Mutex<Inner>>,
    /// The disk.
    pub(super) engine: Disk,
}

/// The log's bounds and newest entries.
#[derive(Default)]
pub(super) struct Inner {
    /// The vote on disk.
    pub(super) vote: Option<Vote>,
    /// The committed id on disk.
    pub(super) committed: Option<LogId>,
    /// The last entry purged.
    pub(super) purged: Option<LogId>,
    /// The last entry, or the last purged.
    pub(super) last: Option<LogId>,
    /// Where the next entry begins, in bytes since some entry that may be purged long since.
    pub(super) total: u64,
    /// The newest entries.
    pub(super) recent: Recent,
}

impl Inner {
    /// The index of the first entry that is not purged.
    pub(super) fn first(&self) -> u64 {
        self.purged.map_or(0, |id| id.index + 1)
    }
}

impl Shared {
    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Where the entry at `index` begins, in bytes as [`Inner::total`]; behind the last one, where the next would.
    pub(super) fn begin(&self, index: u64) -> io::Result<u64> {
        let index = {
            let inner = self.inner();
            let index = index.max(inner.first());
            if index >= inner.recent.start() {
                let held = inner.recent.range(index, inner.recent.end()).map(|(_, bytes)| *bytes as u64);
                return Ok(inner.total - held.sum::<u64>());
            }
            index
        };
        match self.engine.get(&self.keys.entry(index)).map_err(storage)? {
            Some(value) => format::begin(&value).map_err(storage),
            // It was purged meanwhile.
            None => Ok(self.inner().total),
        }
    }

    /// Takes entries into memory and into `batch`; says where the log ends now.
    pub(super) fn take(
        &self,
        entries: impl IntoIterator<Item = types::Entry>,
        batch: &mut WriteBatch,
    ) -> io::Result<u64> {
        let mut inner = self.inner();
        for entry in entries {
            let id = LogId::from(&entry.log_id);
            if inner.last.is_some_and(|last| last.index + 1 != id.index) {
                return Err(io::Error::other(format!("entry {} would leave a hole in the log", id.index)));
            }
            let bytes = format::pack(inner.total, &entry);
            inner.total += bytes.len() as u64;
            inner.recent.push(entry, bytes.len());
            inner.last = Some(id);
            batch.put(self.keys.entry(id.index), bytes);
        }
        Ok(inner.recent.end())
    }
}

pub(super) fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}
