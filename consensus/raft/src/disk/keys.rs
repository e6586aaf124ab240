//! The keys of one group. Each begins with [`SPACE`] and the group's number, then a letter for the kind of row.
//!
//! ```text
//! 'c'                                   the committed log id            -> format::LogId
//! 'g'                                   the highest generation in use   -> u64, big-endian
//! 'l' | index                           an entry                        -> model::entry::Entry
//! 'm'                                   generation and last applied     -> format::Applied
//! 'p'                                   the last purged log id          -> format::LogId
//! 's' | generation | table | key        a row of the state              -> the model's
//! 's' | generation | 255 | index | line a line of the audit chain       -> the model's
//! 'v'                                   the vote                        -> format::Vote
//! ```
//! Numbers are big-endian, so that rows sort by them.

use crate::audit::Position;
use symbi_model::GroupId;

/// The first byte of every key of this crate; the rest of the node keeps its rows under others.
pub const SPACE: u8 = 1;
/// The table number of the audit chain, above every table of the model.
pub const AUDIT: u8 = 255;

/// Makes one group's keys.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// The group.
    group: GroupId,
}

impl Keys {
    /// The keys of `group`.
    pub fn new(group: GroupId) -> Self {
        Self { group }
    }

    /// The committed log id.
    pub fn committed(&self) -> Vec<u8> {
        self.key(b'c', &[])
    }

    /// The highest generation ever used.
    pub fn highest_generation(&self) -> Vec<u8> {
        self.key(b'g', &[])
    }

    /// The entry at `index`.
    pub fn entry(&self, index: u64) -> Vec<u8> {
        self.key(b'l', &[&index.to_be_bytes()])
    }

    /// The first key after every entry.
    pub fn entries_end(&self) -> Vec<u8> {
        self.key(b'l' + 1, &[])
    }

    /// The generation in use and what was last applied to it.
    pub fn applied(&self) -> Vec<u8> {
        self.key(b'm', &[])
    }

    /// The last purged log id.
    pub fn purged(&self) -> Vec<u8> {
        self.key(b'p', &[])
    }

    /// The vote.
    pub fn vote(&self) -> Vec<u8> {
        self.key(b'v', &[])
    }

    /// A row of the state.
    pub fn row(&self, generation: u64, table: u8, key: &[u8]) -> Vec<u8> {
        self.key(b's', &[&generation.to_be_bytes(), &[table], key])
    }

    /// A line of the audit chain: 0 is the batch's own, then one for each record.
    pub fn audit(&self, generation: u64, index: u64, line: u32) -> Vec<u8> {
        self.key(b's', &[&generation.to_be_bytes(), &[AUDIT], &index.to_be_bytes(), &line.to_be_bytes()])
    }

    /// The first key of a generation; the first key after it is that of the next one.
    pub fn generation(&self, generation: u64) -> Vec<u8> {
        self.key(b's', &[&generation.to_be_bytes()])
    }

    /// The first key after every generation.
    pub fn generations_end(&self) -> Vec<u8> {
        self.key(b's' + 1, &[])
    }

    /// The part of a row's key behind its generation: table and key.
    pub fn split_row<'k>(&self, key: &'k [u8]) -> Option<(u8, &'k [u8])> {
        let rest = key.get(10 + 8..)?;
        rest.split_first().map(|(table, key)| (*table, key))
    }

    /// Where in the chain an audit line's key is.
    pub fn audit_position(&self, key: &[u8]) -> Option<Position> {
        let (table, rest) = self.split_row(key)?;
        let (index, line) = rest.split_at_checked(8)?;
        let position = Position {
            index: u64::from_be_bytes(index.try_into().ok()?),
            line: u32::from_be_bytes(line.try_into().ok()?),
        };
        (table == AUDIT).then_some(position)
    }

    /// The index of an entry's key.
    pub fn entry_index(&self, key: &[u8]) -> Option<u64> {
        key.get(10..)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn key(&self, kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        key.push(SPACE);
        key.extend_from_slice(&self.group.0.to_be_bytes());
        key.push(kind);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }
}
