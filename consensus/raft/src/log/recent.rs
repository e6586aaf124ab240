//! The newest entries of the log, in memory: all that are not yet durable, and some that are.

use crate::types::Entry;
use std::collections::VecDeque;

/// How many durable entries are kept.
const KEPT: usize = 4096;
/// How many bytes of durable entries are kept.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A run of entries that ends where the log ends.
///
/// Invariants:
/// - the entries' indexes are consecutive, and the last is `end - 1`;
/// - `durable_end <= end`, and no entry from `durable_end` on is missing;
/// - without those, at most [`KEPT`] entries of [`KEPT_BYTES`] are held. How many are not durable is bounded by whoever
///   proposes: they cannot be dropped, being nowhere else.
#[derive(Default)]
pub struct Recent {
    /// The entries, with their encoded lengths.
    entries: VecDeque<(Entry, usize)>,
    /// The sum of the lengths.
    bytes: usize,
    /// The index after the last entry.
    end: u64,
    /// The index after the last entry that is durable.
    durable_end: u64,
}

impl Recent {
    /// Nothing yet, for a log whose next entry is at `end` and that is durable up to there.
    pub fn new(end: u64) -> Self {
        Self { end, durable_end: end, ..Self::default() }
    }

    /// The index of the first entry held; `end` if there is none.
    pub fn start(&self) -> u64 {
        self.end - self.entries.len() as u64
    }

    /// The index after the last entry.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The index after the last entry that is durable.
    pub fn durable_end(&self) -> u64 {
        self.durable_end
    }

    /// Adds an entry behind the last one, or anywhere if the log is empty.
    pub fn push(&mut self, entry: Entry, bytes: usize) {
        let index = entry.log_id.index;
        if self.entries.is_empty() && index != self.end {
            self.durable_end = index;
            self.end = index;
        }
        assert_eq!(index, self.end, "entries are appended one after the other");
        self.entries.push_back((entry, bytes));
        self.bytes += bytes;
        self.end += 1;
    }

    /// Everything before `end` is durable now.
    pub fn durable_to(&mut self, end: u64) {
        self.durable_end = self.durable_end.max(end.min(self.end));
        while (self.entries.len() > KEPT || self.bytes > KEPT_BYTES) && self.start() < self.durable_end {
            self.drop_first();
        }
    }

    /// Drops the entries from `from` on.
    pub fn truncate(&mut self, from: u64) {
        while self.end > from && self.entries.pop_back().inspect(|(_, bytes)| self.bytes -= bytes).is_some() {
            self.end -= 1;
        }
        self.end = self.end.min(from);
        self.durable_end = self.durable_end.min(self.end);
    }

    /// Drops the entries before `from`; the log may end before it.
    pub fn purge(&mut self, from: u64) {
        while self.start() < from && !self.entries.is_empty() {
            self.drop_first();
        }
        if self.end < from {
            self.end = from;
            self.durable_end = from;
        }
    }

    /// The entries held of `from..to`, with their encoded lengths.
    pub fn range(&self, from: u64, to: u64) -> impl Iterator<Item = &(Entry, usize)> {
        let start = self.start();
        let offset = |index: u64| usize::try_from(index.clamp(start, self.end) - start).unwrap_or(usize::MAX);
        self.entries.range(offset(from)..offset(to.max(from)))
    }

    fn drop_first(&mut self) {
        if let Some((_, bytes)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests;
