//! The log: entries, vote and committed id of one group, over the storage engine.
//!
//! An appended entry is readable at once, though it is not yet durable: [`Recent`] holds it until it is, and the last few
//! after that, because followers mostly ask for those.

use crate::disk::format::{self, LogId, SMALL, Vote};
use crate::disk::{Disk, Keys};
use crate::error::storage;
use crate::types::{self, Types};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use std::io;
use std::sync::{Arc, Mutex};
use symbi_model::codec;
use symbi_model::planted::{self, Defect};
use symbi_store::{Engine, WriteBatch};

mod meter;
mod reader;
mod recent;
mod shared;

pub use meter::Meter;
pub use reader::{Reader, SHIPMENT_BYTES};
use recent::Recent;
use shared::{Inner, Shared, lock};

/// The log of one group.
///
/// Invariants:
/// - the entries kept are `purged + 1 ..= last`, without a hole;
/// - nothing above `durable` is dropped from memory;
/// - the committed id on disk is never above an entry that is durable, so that a log whose tail was lost is found out and
///   one that only had not been synced yet is not.
pub struct Log {
    /// What readers share with it.
    shared: Arc<Shared>,
}

impl Log {
    /// Reads the log's bounds from the disk.
    pub fn open(engine: Disk, keys: Keys) -> io::Result<Self> {
        let vote = read(&*engine, &keys.vote())?;
        let committed = read(&*engine, &keys.committed())?;
        let purged: Option<LogId> = read(&*engine, &keys.purged())?;
        let first = keys.entry(purged.map_or(0, |id| id.index + 1));
        let newest = engine.last(&first, &keys.entries_end()).map_err(storage)?;
        let (last, total) = match newest {
            Some((_, value)) => {
                let (begin, entry) = format::unpack(&value).map_err(storage)?;
                (Some(LogId::from(&entry.log_id)), begin + value.len() as u64)
            }
            None => (purged, 0),
        };
        let recent = Recent::new(last.map_or(0, |id| id.index + 1));
        let inner = Inner { vote, committed, purged, last, total, recent };
        let inner = Arc::new(Mutex::new(inner));
        Ok(Self { shared: Arc::new(Shared { keys, inner, engine }) })
    }

    /// What weighs it.
    pub fn meter(&self) -> Meter {
        Meter::new(self.shared.clone())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Reader;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let inner = self.shared.inner();
        Ok(LogState {
            last_purged_log_id: inner.purged.map(types::LogId::from),
            last_log_id: inner.last.map(types::LogId::from),
        })
    }

    async fn get_log_reader(&mut self) -> Reader {
        Reader::new(self.shared.clone())
    }

    async fn save_vote(&mut self, vote: &types::Vote) -> io::Result<()> {
        let vote = Vote::from(vote);
        let mut batch = WriteBatch::new();
        batch.put(self.shared.keys.vote(), codec::encode(&vote));
        if planted::active(Defect::VoteNotSynced) {
            self.shared.engine.write(batch).map_err(storage)?;
        } else {
            self.shared.engine.sync(batch).await?;
        }
        self.shared.inner().vote = Some(vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<types::LogId>) -> io::Result<()> {
        let Some(committed) = committed.as_ref().map(LogId::from) else { return Ok(()) };
        {
            let mut inner = self.shared.inner();
            if inner.recent.durable_end() <= committed.index {
                return Ok(());
            }
            inner.committed = Some(committed);
        }
        let mut batch = WriteBatch::new();
        batch.put(self.shared.keys.committed(), codec::encode(&committed));
        self.shared.engine.write(batch).map_err(storage)
    }

    async fn read_committed(&mut self) -> io::Result<Option<types::LogId>> {
        Ok(self.shared.inner().committed.map(types::LogId::from))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = types::Entry> + Send,
        I::IntoIter: Send,
    {
        let mut batch = WriteBatch::new();
        let end = self.shared.take(entries, &mut batch)?;
        let inner = self.shared.inner.clone();
        if planted::active(Defect::AckBeforeSync) {
            self.shared.engine.write(batch).map_err(storage)?;
            lock(&inner).recent.durable_to(end);
            callback.io_completed(Ok(()));
            return Ok(());
        }
        // Without the lock: an engine may call back before it returns.
        self.shared.engine.append(
            batch,
            Box::new(move |result| {
                if result.is_ok() {
                    lock(&inner).recent.durable_to(end);
                }
                callback.io_completed(result.map_err(storage));
            }),
        );
        Ok(())
    }

    /// Waits for the disk: an entry of a new leader may be applied before it is synced, and then a crash must not bring
    /// back the old leader's entry under it.
    async fn truncate_after(&mut self, last: Option<types::LogId>) -> io::Result<()> {
        let from = last.map_or(0, |id| id.index + 1);
        let mut batch = WriteBatch::new();
        let total = self.shared.begin(from)?;
        {
            let mut inner = self.shared.inner();
            if inner.last.is_none_or(|id| id.index < from) {
                return Ok(());
            }
            inner.total = total;
            inner.last = last.as_ref().map(LogId::from).or(inner.purged);
            inner.recent.truncate(from);
            batch.delete_range(self.shared.keys.entry(from), self.shared.keys.entries_end());
        }
        self.shared.engine.sync(batch).await
    }

    /// Does not wait: whatever makes these entries superfluous was written before.
    async fn purge(&mut self, upto: types::LogId) -> io::Result<()> {
        let upto = LogId::from(&upto);
        {
            let mut inner = self.shared.inner();
            if inner.purged.is_some_and(|id| id.index >= upto.index) {
                return Ok(());
            }
            inner.purged = Some(upto);
            if inner.last.is_none_or(|id| id.index < upto.index) {
                inner.last = Some(upto);
            }
            inner.recent.purge(upto.index + 1);
        }
        let keys = &self.shared.keys;
        let mut batch = WriteBatch::new();
        // From the very first one: an append that was on its way at the last purge may have come after it.
        batch.delete_range(keys.entry(0), keys.entry(upto.index + 1));
        batch.put(keys.purged(), codec::encode(&upto));
        self.shared.engine.write(batch).map_err(storage)
    }
}

/// A small row, if it is there.
fn read<T: serde::de::DeserializeOwned>(engine: &dyn Engine, key: &[u8]) -> io::Result<Option<T>> {
    let Some(bytes) = engine.get(key).map_err(storage)? else { return Ok(None) };
    codec::decode(&bytes, SMALL).map(Some).map_err(storage)
}

#[cfg(test)]
mod tests;
