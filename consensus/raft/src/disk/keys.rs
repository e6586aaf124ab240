//! The keys of one group. Each begins with [`SPACE`] and the group's number, then a letter for the kind of row.
//!
//! ```text
//! 'a' | generation | index | line       a line of the audit chain       -> the model's
//! 'c'                                   the committed log id            -> format::LogId
//! 'g'                                   the highest generation in use   -> u64, big-endian
//! 'l' | index                           an entry                        -> model::entry::Entry
//! 'm'                                   generation and last applied     -> format::Applied
//! 'p'                                   the last purged log id          -> format::LogId
//! 's' | generation | table | key        a row of the state              -> the model's
//! 'v'                                   the vote                        -> format::Vote
//! ```
//! Numbers are big-endian, so that rows sort by them. A generation's rows and its audit lines are two ranges, because the lines
//! only grow at their end: see [`Keys::runs`].

use crate::position::Position;
use symbi_model::GroupId;
use symbi_store::Run;

/// The first byte of every key of this crate; the rest of the node keeps its rows under others.
pub const SPACE: u8 = 1;
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
        self.key(b'a', &[&generation.to_be_bytes(), &index.to_be_bytes(), &line.to_be_bytes()])
    }

    /// The rows of the generations from `first` to before `end`, and then their audit lines: two ranges.
    pub fn generations(&self, first: u64, end: u64) -> [(Vec<u8>, Vec<u8>); 2] {
        [b's', b'a'].map(|kind| (self.key(kind, &[&first.to_be_bytes()]), self.key(kind, &[&end.to_be_bytes()])))
    }

    /// The keys whose rows are only added behind the last one: the entries, and the audit chain.
    pub fn runs(&self) -> [Run; 2] {
        let run = |name, kind| Run { name, from: self.key(kind, &[]), to: self.key(kind + 1, &[]) };
        [run("log", b'l'), run("audit", b'a')]
    }

    /// The part of a row's key behind its generation: table and key.
    pub fn split_row<'k>(&self, key: &'k [u8]) -> Option<(u8, &'k [u8])> {
        let rest = key.get(10 + 8..)?;
        rest.split_first().map(|(table, key)| (*table, key))
    }

    /// Where in the chain an audit line's key is.
    pub fn audit_position(&self, key: &[u8]) -> Option<Position> {
        let (index, line) = key.get(10 + 8..)?.split_at_checked(8)?;
        Some(Position {
            index: u64::from_be_bytes(index.try_into().ok()?),
            line: u32::from_be_bytes(line.try_into().ok()?),
        })
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
