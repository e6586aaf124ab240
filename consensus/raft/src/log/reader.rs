//! A view of the log for those who read it: each follower's replication, and the state machine.

use super::shared::Shared;
use crate::disk::format;
use crate::error::storage;
use crate::types::{self, Entry, Types};
use openraft::RaftLogReader;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// The most bytes of entries in one shipment to a follower, but for a single entry that is longer. Below the frame limit.
pub const SHIPMENT_BYTES: usize = 768 * 1024;
/// How many entries are read from the disk at a time.
const STEP: usize = 64;

/// Reads the log.
pub struct Reader {
    /// The log.
    shared: Arc<Shared>,
}

impl Reader {
    /// A reader of this log.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The entries of `from..to` that there are, of at most `max` bytes but at least one.
    ///
    /// What is in memory and where it begins is taken under one lock, so the disk is asked only for entries that are
    /// durable. Those may be purged meanwhile, from the front, which is allowed. Who reads them while they are truncated
    /// has just lost the leadership, and nothing of what it ships is accepted under its old vote.
    fn read(&self, from: u64, to: u64, max: usize) -> io::Result<Vec<Entry>> {
        let (from, to, cached_from, cached) = self.cached(from, to);
        let mut reading = Reading { entries: Vec::new(), bytes: 0, max };
        if from < cached_from.min(to) {
            self.stored(from, cached_from.min(to), &mut reading)?;
        }
        for (entry, bytes) in cached {
            if !reading.take(entry, bytes) {
                break;
            }
        }
        reading.contiguous()
    }

    fn cached(&self, from: u64, to: u64) -> (u64, u64, u64, Vec<(Entry, usize)>) {
        let inner = self.shared.inner();
        let from = from.max(inner.first());
        let to = to.min(inner.recent.end());
        let cached = inner.recent.range(from, to).cloned().collect();
        (from, to, inner.recent.start(), cached)
    }

    fn stored(&self, mut from: u64, to: u64, reading: &mut Reading) -> io::Result<()> {
        let keys = &self.shared.keys;
        while from < to {
            let rows = self.shared.engine.scan(&keys.entry(from), &keys.entry(to), STEP).map_err(storage)?;
            let Some((last, _)) = rows.last() else { break };
            from = keys.entry_index(last).ok_or_else(|| io::Error::other("an entry's key is malformed"))? + 1;
            for (_, value) in rows {
                if !reading.take(format::unpack(&value).map_err(storage)?.1, value.len()) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl RaftLogReader<Types> for Reader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        self.read(from, to, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, SHIPMENT_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<types::Vote>> {
        Ok(self.shared.inner().vote.map(types::Vote::from))
    }
}

/// Entries as they are gathered.
struct Reading {
    /// What there is so far.
    entries: Vec<Entry>,
    /// Its encoded length.
    bytes: usize,
    /// The most it may be.
    max: usize,
}

impl Reading {
    /// Whether there was room for it.
    fn take(&mut self, entry: Entry, bytes: usize) -> bool {
        if !self.entries.is_empty() && self.bytes.saturating_add(bytes) > self.max {
            // Nothing smaller may follow in its place.
            self.max = 0;
            return false;
        }
        self.bytes += bytes;
        self.entries.push(entry);
        true
    }

    fn contiguous(self) -> io::Result<Vec<Entry>> {
        let hole = self.entries.windows(2).find(|pair| pair[0].log_id.index + 1 != pair[1].log_id.index);
        match hole {
            Some(pair) => Err(io::Error::other(format!("the log has a hole after entry {}", pair[0].log_id.index))),
            None => Ok(self.entries),
        }
    }
}
