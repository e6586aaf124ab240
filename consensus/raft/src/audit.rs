//! The audit chain as it is kept: a line for each batch, then one for each of its records, in log order.

use crate::machine::Writes;
use crate::position::Position;
use symbi_model::codec::{self, Error};
use symbi_model::record::{BatchLine, Record};
use symbi_model::{Applied, Hash};

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
pub(crate) fn put(writes: &mut Writes<'_>, applied: &Applied) {
    if let Some(line) = &applied.batch_line {
        writes.line(0, codec::encode_batch_line(line));
    }
    for record in &applied.records {
        writes.line(record.position + 1, codec::encode_record(record));
    }
}

/// The chain's end, checked line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The last record's hash.
    pub head: Hash,
    /// How many records there are.
    pub records: u64,
}

impl Chain {
    /// Takes the next line; says whether it belongs here.
    pub fn follow(&mut self, row: &AuditRow) -> bool {
        let AuditRow::Record(record) = row else { return true };
        let fits = record.previous == self.head && record.clone().chained(self.head).hash == record.hash;
        self.head = record.hash;
        self.records += 1;
        fits
    }
}
