//! The audit chain as it is kept: a line for each batch, then one for each of its records, in log order.

use crate::error::storage;
use crate::machine::{Line, Tip, Writes};
use crate::position::Position;
use std::io;
use symbi_model::codec::{self, Error};
use symbi_model::entry::CONTROL;
use symbi_model::merkle;
use symbi_model::names::{Code, Kind};
use symbi_model::record::{BatchLine, Record};
use symbi_model::{Applied, ClusterId, Hash};

/// What whole batches are refused for: their signatures need not hold.
const REFUSED_WHOLE: [Code; 2] = [Code::ORIGIN_NOT_MEMBER, Code::BAD_SIGNATURE];

/// A line of the chain.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all lines are records: boxing them would cost an allocation each"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditRow {
    /// What is kept of a batch. Entries of Raft's own have none.
    Batch(BatchLine),
    /// A record.
    Record(Record),
}

impl AuditRow {
    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Batch(line) => Position { index: line.index, line: 0 },
            Self::Record(record) => Position { index: record.index, line: record.position + 1 },
        }
    }

    /// The place right behind it: where to go on reading.
    #[must_use]
    pub fn next(&self) -> Position {
        let position = self.position();
        Position { line: position.line + 1, ..position }
    }

    /// The line as it is kept at `position`.
    pub(crate) fn decode(position: Position, value: &[u8]) -> Result<Self, Error> {
        match position.line {
            0 => codec::decode_batch_line(value).map(Self::Batch),
            _ => codec::decode_record(value).map(Self::Record),
        }
    }
}

/// Writes what an entry left in the chain.
///
/// # Errors
/// When it left something else before.
pub(crate) fn put(writes: &mut Writes<'_>, applied: &Applied) -> io::Result<()> {
    if let Some(line) = &applied.batch_line {
        writes.line(0, codec::encode_batch_line(line))?;
    }
    applied.records.iter().try_for_each(|record| writes.line(record.position + 1, codec::encode_record(record)))
}

/// [`crate::machine::Image::unlink`] of the chain of a cluster.
///
/// From the last record backwards, each hash proves its record and with it the hash of the one before. What the hashes do not cover, a
/// batch's time, term and signature, its origin has signed.
///
/// # Errors
/// At the first line that is none of the chain's.
pub(crate) fn unlink(cluster: Option<ClusterId>, tip: Tip, lines: &[Line]) -> io::Result<(Tip, usize)> {
    let (mut walk, mut whole) = (Walk { tip, entry: Vec::new() }, (tip, lines.len()));
    for (number, (at, value)) in lines.iter().enumerate().rev() {
        let row = AuditRow::decode(*at, value).map_err(storage)?;
        if row.position() != *at {
            return Err(broken("a line is out of its place"));
        }
        let begins = match row {
            AuditRow::Record(record) => walk.record(record)?,
            AuditRow::Batch(line) => walk.batch(&line, cluster)?,
        };
        if begins {
            whole = (walk.tip, number);
        }
    }
    Ok(whole)
}

/// The chain as it is gone back.
struct Walk {
    /// Where it ends, without the records that were seen.
    tip: Tip,
    /// The records of the entry under way, the last one first.
    entry: Vec<Record>,
}

impl Walk {
    /// Takes the record before; says whether it is the first line of its entry.
    fn record(&mut self, record: Record) -> io::Result<bool> {
        if record.hash != self.tip.head {
            return Err(broken("a record is not the one that the next is linked to"));
        }
        let previous = record.previous;
        let record = record.chained(previous);
        if record.hash != self.tip.head {
            return Err(broken("a record's hash is not that of what it says"));
        }
        let count =
            self.tip.count.checked_sub(1).ok_or_else(|| broken("there are more records than the state counts"))?;
        self.tip = Tip { head: previous, count };
        let follows = |next: &Record| next.index == record.index && next.position == record.position + 1;
        if !self.entry.last().is_none_or(follows) {
            return Err(broken("a batch has no line, or not all of its records"));
        }
        // An entry of Raft's own is this one record.
        let alone = record.origin.is_none();
        if alone && (record.position != 0 || !self.entry.is_empty()) {
            return Err(broken("a record of Raft's own is among others"));
        }
        if !alone {
            self.entry.push(record);
        }
        Ok(alone)
    }

    /// Takes the line of the batch whose records were seen: it is the first line of its entry.
    fn batch(&mut self, line: &BatchLine, cluster: Option<ClusterId>) -> io::Result<bool> {
        let mut records = std::mem::take(&mut self.entry);
        records.reverse();
        let is_of = |record: &Record| record.index == line.index && record.origin == Some(line.origin);
        let begins = records.first().is_some_and(|first| first.position == 0);
        if !begins || records.len() as u64 != u64::from(line.count.max(1)) || !records.iter().all(is_of) {
            return Err(broken("a batch has other records than its line says"));
        }
        let commands = records.iter().take(line.count as usize);
        if merkle::root(&commands.map(|record| record.act.leaf()).collect::<Vec<Hash>>()) != line.root {
            return Err(broken("a batch's root is not that of its acts"));
        }
        let unsigned =
            |record: &Record| record.act.kind == Kind::BATCH_UNOPENED || REFUSED_WHOLE.contains(&record.result.code);
        if !records.iter().all(unsigned) && !cluster.is_some_and(|cluster| line.is_signed(cluster, CONTROL)) {
            return Err(broken("a batch is not signed by its origin"));
        }
        Ok(true)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
