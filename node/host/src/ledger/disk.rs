//! What a ledger keeps on disk: its lines, what leads to them, and how far it was anchored.

use super::keys;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use symbi_model::ledger::entry::LINE_MAX;
use symbi_model::ledger::{Entry, Line, anchor};
use symbi_model::merkle::Frontier;
use symbi_model::{DecisionId, Hash, codec};
use symbi_proto::wire::ledger::Chunk;
use symbi_store::{Engine, WriteBatch};

/// So many lines stay. A verifier asks for half as many, by the anchors that its bundle has: while one is made, newer ones come, and lines
/// go by those. A line is a message of this node's own or a batch of up to 64, at most some 9 KiB.
pub const KEPT: u64 = 1 << 21;
/// So many lines at most are let go in one step. Steps come with the batches that the storage is given, and one of them has
/// fewer lines, so that what is let go keeps pace with what is added.
const LET_GO: u64 = 2_048;
/// So many lines are read from the engine at once.
const READ: usize = 64;
/// So many of them for a chunk.
const AT_ONCE: usize = 8;
/// A chunk ends at the line that makes it longer than this.
const CHUNK_BYTES: usize = 512 * 1024;
/// The longest small row: a tree has a hash for each bit of its size.
const SMALL: usize = 4_096;

/// Why the ledger cannot go on, or cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The storage failed.
    #[error("the ledger's storage failed: {0}")]
    Storage(String),
    /// What is on disk is not what was written.
    #[error("the ledger is damaged at line {number}: {reason}")]
    Damaged {
        /// The line.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The audit chain has an anchor of lines that are not there.
    #[error("the audit chain has an anchor of {anchored} lines of this ledger, which has {kept}")]
    Lost {
        /// How many are anchored.
        anchored: u64,
        /// How many are there.
        kept: u64,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl From<symbi_store::Error> for Error {
    fn from(error: symbi_store::Error) -> Self {
        Self::Storage(error.to_string())
    }
}

/// A head that the audit chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The hash of its line.
    pub hash: Hash,
    /// The log index of the anchor.
    pub index: u64,
    /// The position of its record there.
    pub position: u32,
}

/// The line before the first that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its number; 0 if none was let go.
    pub number: u64,
    /// Its hash; zeros if none was let go.
    pub hash: Hash,
    /// The tree over the lines up to it.
    pub tree: Frontier,
}

/// How far the oldest lines were let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The line before the first that is kept.
    pub before: Before,
    /// The line up to which the rows that lead to lines are gone; not less. Begun anew after a start.
    rows: u64,
    /// The tree over the lines up to that one.
    tree: Frontier,
}

impl Retired {
    /// Nothing after `before` yet.
    pub fn new(before: Before) -> Self {
        Self { rows: before.number, tree: before.tree.clone(), before }
    }
}

/// The disk, as one ledger uses it.
#[derive(Clone)]
pub struct Disk {
    /// The engine.
    pub engine: Arc<dyn Engine>,
}

impl Disk {
    /// The last line; none in an empty ledger.
    pub fn last(&self) -> Result<Option<Line>, Error> {
        match self.engine.last(&keys::line(0), &keys::lines_end())? {
            Some((key, value)) => read(&key, &value).map(Some),
            None => Ok(None),
        }
    }

    /// The tree over all lines, of which the last has this number. It is written with the lines; those that came after it would be
    /// read.
    pub fn tree(&self, before: &Before, last: u64) -> Result<Frontier, Error> {
        let damaged = |number| Error::Damaged { number, reason: "the tree over the lines is not theirs".to_owned() };
        let mut tree = self.small(&keys::tree())?.unwrap_or_else(|| before.tree.clone());
        if !Frontier::is_sound(&tree) || tree.size() > last {
            return Err(damaged(last));
        }
        while tree.size() < last {
            let lines = self.lines(tree.size() + 1, READ)?;
            if lines.first().is_none_or(|line| line.number != tree.size() + 1) {
                return Err(damaged(tree.size() + 1));
            }
            lines.iter().for_each(|line| tree.append(anchor::leaf(&line.hash)));
        }
        Ok(tree)
    }

    /// The last line of the last anchor that is known; 0 without one.
    pub fn anchored(&self) -> Result<u64, Error> {
        let last = self.engine.last(&keys::head(0), &keys::heads_end())?;
        let known = last.and_then(|(key, _)| keys::number(&key));
        known.map_or_else(|| self.before().map(|before| before.number), Ok)
    }

    /// What was let go.
    pub fn before(&self) -> Result<Before, Error> {
        self.small(&keys::before()).map(Option::unwrap_or_default)
    }

    /// The lines from `from` on, at most `limit`.
    pub fn lines(&self, from: u64, limit: usize) -> Result<Vec<Line>, Error> {
        let pairs = self.engine.scan(&keys::line(from), &keys::lines_end(), limit)?;
        pairs.iter().map(|(key, value)| read(key, value)).collect()
    }

    /// The line `number`, if it is kept.
    pub fn line(&self, number: u64) -> Result<Option<Line>, Error> {
        let key = keys::line(number);
        self.engine.get(&key)?.map(|value| read(&key, &value)).transpose()
    }

    /// Lines from `from` on, as many as one frame takes.
    pub fn chunk(&self, from: u64) -> Result<Chunk, Error> {
        let before = self.before()?;
        let last = self.last()?.map_or(before.number, |line| line.number);
        let whole = before.tree.whole().to_vec();
        let mut chunk = Chunk { first: before.number + 1, before: before.hash, whole, last, lines: Vec::new() };
        let (mut next, mut bytes) = (from.max(chunk.first), 0);
        while next <= last && bytes < CHUNK_BYTES {
            let pairs = self.engine.scan(&keys::line(next), &keys::line(last + 1), AT_ONCE)?;
            if pairs.is_empty() {
                return Err(Error::Damaged { number: next, reason: "it is missing".to_owned() });
            }
            for (key, value) in &pairs {
                if bytes < CHUNK_BYTES {
                    bytes += value.len();
                    next += 1;
                    chunk.lines.push(read(key, value)?);
                }
            }
        }
        Ok(chunk)
    }

    /// The first anchored head at or after the line `number`, with the number of its line.
    pub fn head(&self, number: u64) -> Result<Option<(u64, Head)>, Error> {
        let pairs = self.engine.scan(&keys::head(number), &keys::heads_end(), 1)?;
        let Some((key, value)) = pairs.first() else { return Ok(None) };
        let at = keys::number(key).unwrap_or_default();
        decoded(value, SMALL, at).map(|head| Some((at, head)))
    }

    /// The verdict of a decision that denied something.
    pub fn verdict(&self, decision: &DecisionId) -> Result<Option<Vec<u8>>, Error> {
        let Some(line) = self.led_to(&keys::denied(decision))? else { return Ok(None) };
        Ok(match line.entry {
            Entry::Denied(denied) if denied.decision == *decision => Some(denied.verdict),
            _ => None,
        })
    }

    /// The line that a row names.
    pub fn led_to(&self, key: &[u8]) -> Result<Option<Line>, Error> {
        match self.engine.get(key)?.as_deref().and_then(keys::number) {
            Some(number) => self.line(number),
            None => Ok(None),
        }
    }

    /// Adds to `batch` the next step that lets the oldest lines go, if there are more than `kept` of them up to an anchored
    /// head. Of an anchor over more lines than go at once, the rows that lead to them go first, step by step, and the lines
    /// with the last of these: what is left always follows from an anchor.
    pub fn let_go(
        &self,
        retired: &Retired,
        anchored: u64,
        kept: u64,
        batch: &mut WriteBatch,
    ) -> Result<Retired, Error> {
        let (before, end) = (retired.before.number, anchored.saturating_sub(kept));
        let until = end.min(retired.rows + LET_GO);
        let Some((number, head)) = self.next_head(before, until, end)? else { return Ok(retired.clone()) };
        let rows_until = number.min(until);
        let lines = usize::try_from(rows_until - retired.rows).unwrap_or(usize::MAX);
        let mut tree = retired.tree.clone();
        for line in self.lines(retired.rows + 1, lines)? {
            tree.append(anchor::leaf(&line.hash));
            rows(&line).into_iter().for_each(|key| {
                batch.delete(key);
            });
        }
        if rows_until < number {
            return Ok(Retired { rows: rows_until, tree, before: retired.before.clone() });
        }
        batch.delete_range(keys::line(before + 1), keys::line(number + 1));
        batch.delete_range(keys::head(before + 1), keys::head(number + 1));
        let before = Before { number, hash: head.hash, tree };
        batch.put(keys::before(), codec::encode(&before));
        Ok(Retired::new(before))
    }

    /// The last anchored head after `before` and up to `until`; if there is none, the first up to `end`.
    fn next_head(&self, before: u64, until: u64, end: u64) -> Result<Option<(u64, Head)>, Error> {
        if end <= before {
            return Ok(None);
        }
        if let Some((key, value)) = self.engine.last(&keys::head(before + 1), &keys::head(until + 1))? {
            let number = keys::number(&key).unwrap_or_default();
            return decoded(&value, SMALL, number).map(|head| Some((number, head)));
        }
        Ok(self.head(until + 1)?.filter(|(number, _)| *number <= end))
    }

    fn small<T: for<'de> Deserialize<'de>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        self.engine.get(key)?.map(|value| decoded(&value, SMALL, 0)).transpose()
    }
}

/// Adds a line, and the rows that lead to it. Its length in bytes.
pub fn put(batch: &mut WriteBatch, line: &Line) -> usize {
    let bytes = codec::encode(line);
    let length = bytes.len();
    batch.put(keys::line(line.number), bytes);
    for key in rows(line) {
        batch.put(key, line.number.to_be_bytes());
    }
    length
}

/// The keys of the rows that lead to a line.
fn rows(line: &Line) -> Vec<Vec<u8>> {
    let moments: BTreeSet<u64> = line.entry.messages().iter().map(keys::moment).collect();
    let mut rows: Vec<_> = moments.into_iter().map(|moment| keys::message(moment, line.number)).collect();
    match &line.entry {
        Entry::Session(session) => rows.push(keys::session(&session.session)),
        Entry::Denied(denied) => rows.push(keys::denied(&denied.decision)),
        _ => {}
    }
    rows
}

fn read(key: &[u8], value: &[u8]) -> Result<Line, Error> {
    decoded(value, LINE_MAX, keys::number(key).unwrap_or_default())
}

fn decoded<T: for<'de> Deserialize<'de>>(bytes: &[u8], max: usize, number: u64) -> Result<T, Error> {
    codec::decode(bytes, max).map_err(|error| Error::Damaged { number, reason: error.to_string() })
}
