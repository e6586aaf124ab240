//! The keys of one group. Each begins with [`SPACE`] and the group's number, then a letter for the kind of row.
//!
//! ```text
//! 'a' | index | number                  a line of an entry              -> the machine's
//! 'c'                                   the committed log id            -> format::LogId
//! 'g'                                   the highest generation in use   -> u64, big-endian
//! 'h'                                   the entries without their lines -> lines::Hole, a list
//! 'i'                                   the last snapshot installed     -> its index, u64, big-endian
//! 'l' | index                           an entry                        -> eight bytes, then entry::Entry
//! 'm'                                   generation and last applied     -> format::Applied
//! 'p'                                   the last purged log id          -> format::LogId
//! 's' | generation | key                a row of the state              -> the machine's
//! 'v'                                   the vote                        -> format::Vote
//! ```
//! Numbers are big-endian, so that rows sort by them. Lines are under no generation: what an entry left behind is the same in every
//! state that has it. They only grow at their end, or where a hole is filled: see [`Keys::runs`].

use crate::position::Position;
use symbi_model::GroupId;
use symbi_store::Run;

/// The first byte of every key of this crate; the rest of the node keeps its rows under others.
pub const SPACE: u8 = 1;
/// The length of a line's key behind its kind.
pub const LINE_KEY: usize = 12;

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

    /// The index of the last snapshot that was installed.
    pub fn installed(&self) -> Vec<u8> {
        self.key(b'i', &[])
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

    /// A row of the machine's.
    pub fn row(&self, generation: u64, key: &[u8]) -> Vec<u8> {
        self.key(b's', &[&generation.to_be_bytes(), key])
    }

    /// A line of what an entry left behind.
    pub fn line(&self, at: Position) -> Vec<u8> {
        self.key(b'a', &[&Self::line_key(at)])
    }

    /// The first key after every line.
    pub fn lines_end(&self) -> Vec<u8> {
        self.key(b'a' + 1, &[])
    }

    /// The entries whose lines are not here.
    pub fn holes(&self) -> Vec<u8> {
        self.key(b'h', &[])
    }

    /// The rows of the generations from `first` to before `end`.
    pub fn generations(&self, first: u64, end: u64) -> (Vec<u8>, Vec<u8>) {
        (self.key(b's', &[&first.to_be_bytes()]), self.key(b's', &[&end.to_be_bytes()]))
    }

    /// The keys whose rows are only added behind the last one: the entries, and what they leave behind.
    pub fn runs(&self) -> [Run; 2] {
        let run = |name, kind| Run { name, from: self.key(kind, &[]), to: self.key(kind + 1, &[]) };
        [run("log", b'l'), run("audit", b'a')]
    }

    /// The machine's part of a row's key: what is behind the generation.
    pub fn row_key<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        key.get(10 + 8..)
    }

    /// Where a line's key is.
    pub fn line_position(&self, key: &[u8]) -> Option<Position> {
        Self::position(key.get(10..)?)
    }

    /// The part of a line's key behind its kind.
    pub fn line_key(at: Position) -> [u8; LINE_KEY] {
        let mut key = [0; LINE_KEY];
        key[..8].copy_from_slice(&at.index.to_be_bytes());
        key[8..].copy_from_slice(&at.line.to_be_bytes());
        key
    }

    /// What [`Keys::line_key`] was made of.
    pub fn position(key: &[u8]) -> Option<Position> {
        let (index, line) = key.split_at_checked(8)?;
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
