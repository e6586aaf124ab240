//! What a disk was given and has not synced: the end of a write-ahead log, of which a crash may leave any part.
//!
//! The log is one sequence of records, a batch each. A write enters it at once. An append enters it at some time between
//! its call and its callback, in the order of the appends and after every write that had returned before it was called;
//! when, a crash draws. A record that was torn is dropped with all behind it, as RocksDB does it on recovery with
//! `TolerateCorruptedTailRecords`.

use super::content::SharedOp;
use crate::draw::{Cut, Draw};
use std::collections::VecDeque;

/// Bytes of a record beside its keys and values; about what RocksDB's log takes.
const RECORD_BYTES: u64 = 19;
/// Bytes of an operation beside its key and value.
const OP_BYTES: u64 = 4;

/// A batch in the log.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// What it does.
    pub(super) ops: Vec<SharedOp>,
}

impl Record {
    /// How many bytes of the log it takes.
    fn bytes(&self) -> u64 {
        self.ops.iter().fold(RECORD_BYTES, |sum, op| sum + OP_BYTES + op.bytes())
    }
}

/// An append that is not synced.
#[derive(Debug)]
pub(super) struct Waiting<C> {
    /// What it does.
    pub(super) record: Record,
    /// How many of the unsynced writes had returned before it was called.
    pub(super) after: usize,
    /// Whom to call back.
    pub(super) on_durable: C,
}

impl<C> Waiting<C> {
    /// What is to be called back, and the rest without it.
    pub(super) fn split(self) -> (Waiting<()>, C) {
        (Waiting { record: self.record, after: self.after, on_durable: () }, self.on_durable)
    }
}

/// What a crash has left of what was not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Records that are whole.
    pub kept: usize,
    /// Records that are gone without a trace.
    pub lost: usize,
    /// Whether one more was torn, and dropped for it.
    pub torn: bool,
}

/// The order in which writes and appends would have come into the log, were they all to come.
pub(super) fn order(writes: Vec<Record>, waiting: VecDeque<Waiting<()>>, mut draw: Option<&mut Draw>) -> Vec<Record> {
    let mut places: Vec<(usize, Record)> = Vec::new();
    let mut least = 0;
    for append in waiting {
        least = append.after.max(least);
        least += draw.as_mut().map_or(0, |draw| draw.place(writes.len() - least + 1));
        places.push((least, append.record));
    }
    let mut appends = places.into_iter().peekable();
    let mut ordered = Vec::new();
    for (place, write) in writes.into_iter().enumerate() {
        while let Some((_, record)) = appends.next_if(|(before, _)| *before <= place) {
            ordered.push(record);
        }
        ordered.push(write);
    }
    ordered.extend(appends.map(|(_, record)| record));
    ordered
}

/// Cuts records somewhere: the whole ones before the cut, and what became of all.
pub(super) fn cut(records: Vec<Record>, cut: Cut) -> (Vec<Record>, Remains) {
    let total: u64 = records.iter().map(Record::bytes).sum();
    let at = cut.of(total);
    let count = records.len();
    let (mut end, mut kept) = (0, Vec::new());
    for record in records {
        end += record.bytes();
        if end > at {
            let torn = at > end - record.bytes();
            let remains = Remains { kept: kept.len(), lost: count - kept.len() - usize::from(torn), torn };
            return (kept, remains);
        }
        kept.push(record);
    }
    let remains = Remains { kept: kept.len(), ..Remains::default() };
    (kept, remains)
}

#[cfg(test)]
mod tests;
