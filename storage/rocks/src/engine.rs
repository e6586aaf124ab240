//! The engine: the handle that callers hold.

use crate::database::Database;
use crate::error;
use crate::families::Families;
use crate::layout;
use crate::options::Options;
use crate::writer::{self, Append};
use rocksdb::{ColumnFamilyDescriptor, DB, DBRawIterator};
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use symbi_store::{Engine, Error, OnDurable, Pair, WriteBatch};

/// An open database.
///
/// Dropping it carries out what is queued, syncs, and closes; not to be done by a callback that it is still to call.
pub struct Rocks {
    /// What the writer thread uses too.
    shared: Arc<Database>,
    /// Appends on their way; none once it is being dropped.
    queue: Option<Sender<Append>>,
    /// The writer thread.
    writer: Option<JoinHandle<()>>,
}

impl Rocks {
    /// Opens the database in the directory `path`, made if it is not there.
    ///
    /// # Errors
    /// [`Error::InUse`] with the directory (and the process, if known) when it is open elsewhere; [`Error::Corrupt`] when what
    /// is there is damaged; [`Error::Version`] when it was written with other runs; [`Error::Full`], [`Error::Io`].
    pub fn open(path: &Path, options: Options) -> Result<Self, Error> {
        Self::open_with(path, &options, &options.database())
    }

    /// Opens with RocksDB options at hand, so that a test can look at its statistics.
    pub(crate) fn open_with(path: &Path, options: &Options, database: &rocksdb::Options) -> Result<Self, Error> {
        let families = Families::new(&options.runs);
        layout::claim(path)?;
        layout::check(path, &families, database)?;
        let named = families.names().iter().map(|name| ColumnFamilyDescriptor::new(*name, database.clone()));
        let db = DB::open_cf_descriptors(database, path, named).map_err(|cause| error::opening(path, &cause))?;
        layout::places(&db, &families)?;
        sync_parent(path)?;
        let shared = Arc::new(Database { db, families, failed: OnceLock::new() });
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
        if let Err(error) = self.shared.sync() {
            tracing::warn!(%error, "the last writes could not be synced");
        }
    }
}

impl Engine for Rocks {
    fn append(&self, batch: WriteBatch, on_durable: OnDurable) {
        let queue = self.queue.as_ref().expect("the queue is there until the drop");
        if let Err(unsent) = queue.send(Append { batch, on_durable }) {
            // The writer thread has panicked, in a callback or in RocksDB.
            (unsent.0.on_durable)(Err(Error::Closed));
        }
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut group = rocksdb::WriteBatch::default();
        self.shared.fill(&mut group, batch.ops());
        self.shared.write(group)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Database { db, families, .. } = &*self.shared;
        db.get_cf(self.shared.family(families.of(key)), key).map_err(|cause| error::of(&cause))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        let mut pairs = Vec::new();
        for part in self.shared.families.parts(from, to) {
            let mut iterator = self.shared.iterator(&part);
            iterator.seek_to_first();
            while pairs.len() < limit {
                let Some(pair) = current(&iterator)? else { break };
                pairs.push(pair);
                iterator.next();
            }
        }
        Ok(pairs)
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        let mut pairs = Vec::new();
        for part in self.shared.families.parts(from, to).rev() {
            let mut iterator = self.shared.iterator(&part);
            iterator.seek_to_last();
            while pairs.len() < limit {
                let Some(pair) = current(&iterator)? else { break };
                pairs.push(pair);
                iterator.prev();
            }
        }
        Ok(pairs)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Pair>, Error> {
        for part in self.shared.families.parts(from, to).rev() {
            let mut iterator = self.shared.iterator(&part);
            iterator.seek_to_last();
            if let Some(pair) = current(&iterator)? {
                return Ok(Some(pair));
            }
        }
        Ok(None)
    }

    fn failure(&self) -> Option<Error> {
        self.shared.failed.get().cloned()
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
