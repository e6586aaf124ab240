//! The open database: the handle that callers hold, and what it shares with its writer thread.

use crate::error;
use crate::options::Options;
use crate::writer::{self, Append};
use rocksdb::{DB, DBRawIterator, ReadOptions, WriteBatch};
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use symbi_store::{Batch, Engine, Error, OnDurable, Op, Pair};

/// An open database.
///
/// Dropping it carries out what is queued, syncs, and closes; not to be done by a callback that it is still to call.
pub struct Rocks {
    /// What the writer thread uses too.
    shared: Arc<Shared>,
    /// Appends on their way; none once it is being dropped.
    queue: Option<Sender<Append>>,
    /// The writer thread.
    writer: Option<JoinHandle<()>>,
}

/// What the handle and the writer thread share.
pub(crate) struct Shared {
    /// The database.
    db: DB,
    /// The first failure of a write or sync. Nothing is written after it: a later batch must not be there without an earlier one.
    failed: OnceLock<Error>,
}

impl Rocks {
    /// Opens the database in the directory `path`, made if it is not there.
    ///
    /// # Errors
    /// [`Error::InUse`] with the directory (and the process, if known) when it is open elsewhere; [`Error::Corrupt`] when what
    /// is there is damaged; [`Error::Full`], [`Error::Io`].
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        Self::open_with(path, &options, &options.database())
    }

    /// Opens with RocksDB options at hand, so that a test can look at its statistics.
    pub(crate) fn open_with(path: &Path, options: &Options, database: &rocksdb::Options) -> Result<Self, Error> {
        let db = DB::open(database, path).map_err(|cause| error::opening(path, &cause))?;
        sync_parent(path)?;
        let shared = Arc::new(Shared { db, failed: OnceLock::new() });
        let (sender, queue) = channel();
        let (own, group_bytes) = (Arc::clone(&shared), options.group_bytes);
        let writer = std::thread::Builder::new()
            .name("rocks-writer".to_owned())
            .spawn(move || writer::run(&own, &queue, group_bytes))
            .map_err(|cause| Error::Io(cause.to_string()))?;
        Ok(Self { shared, queue: Some(sender), writer: Some(writer) })
    }
}

impl Drop for Rocks {
    fn drop(&mut self) {
        // Without a sender the writer thread finishes what is queued and ends.
        drop(self.queue.take());
        let Some(writer) = self.writer.take() else { return };
        // A callback may hold the last handle; the writer thread cannot wait for itself.
        if writer.thread().id() != std::thread::current().id() && writer.join().is_err() {
            tracing::error!("the writer thread panicked");
        }
        if let Err(cause) = self.shared.db.flush_wal(true) {
            tracing::warn!(%cause, "the last writes could not be synced");
        }
    }
}

impl Engine for Rocks {
    fn append(&self, batch: Batch, on_durable: OnDurable) {
        let queue = self.queue.as_ref().expect("the queue is there until the drop");
        if let Err(unsent) = queue.send(Append { batch, on_durable }) {
            // The writer thread has panicked, in a callback or in RocksDB.
            (unsent.0.on_durable)(Err(Error::Closed));
        }
    }

    fn write(&self, batch: Batch) -> Result<(), Error> {
        let mut group = WriteBatch::default();
        fill(&mut group, batch.ops());
        self.shared.write(group)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.shared.db.get(key).map_err(|cause| error::of(&cause))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        let mut pairs = Vec::new();
        let Some(mut iterator) = self.range(from, to) else { return Ok(pairs) };
        iterator.seek_to_first();
        while pairs.len() < limit {
            let Some(pair) = current(&iterator)? else { break };
            pairs.push(pair);
            iterator.next();
        }
        Ok(pairs)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Pair>, Error> {
        let Some(mut iterator) = self.range(from, to) else { return Ok(None) };
        iterator.seek_to_last();
        current(&iterator)
    }

    fn failure(&self) -> Option<Error> {
        self.shared.failed.get().cloned()
    }
}

impl Rocks {
    /// An iterator over a range, not yet anywhere; none if the range is empty.
    fn range(&self, from: &[u8], to: &[u8]) -> Option<DBRawIterator<'_>> {
        if from >= to {
            return None;
        }
        let mut bounds = ReadOptions::default();
        bounds.set_iterate_lower_bound(from);
        bounds.set_iterate_upper_bound(to);
        Some(self.shared.db.raw_iterator_opt(bounds))
    }
}

impl Shared {
    /// Writes, unless something has failed before. What is written is durable when the log is synced.
    pub(crate) fn write(&self, group: WriteBatch) -> Result<(), Error> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        self.db.write(group).map_err(|cause| self.fail(&cause))
    }

    /// Syncs the log: everything that was written before this is durable when it returns.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(|cause| self.fail(&cause))
    }

    fn fail(&self, cause: &rocksdb::Error) -> Error {
        let error = error::of(cause);
        self.failed.get_or_init(|| error).clone()
    }
}

/// Adds operations to a write, in order.
pub(crate) fn fill(group: &mut WriteBatch, ops: &[Op]) {
    for op in ops {
        match op {
            Op::Put { key, value } => group.put(key, value),
            Op::Delete { key } => group.delete(key),
            Op::DeleteRange { from, to } => group.delete_range(from, to),
        }
    }
}

/// The pair that the iterator is at.
fn current(iterator: &DBRawIterator<'_>) -> Result<Option<Pair>, Error> {
    if let Some((key, value)) = iterator.item() {
        return Ok(Some((key.to_vec(), value.to_vec())));
    }
    iterator.status().map(|()| None).map_err(|cause| error::of(&cause))
}

/// Makes the directory's own name durable: RocksDB syncs what is in it.
fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(|cause| Error::Io(cause.to_string()))
}

#[cfg(test)]
mod tests;
