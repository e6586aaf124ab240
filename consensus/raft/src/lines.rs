//! What entries left behind, as a replica keeps it: lines that never change, beside the state and not in it.
//!
//! A snapshot brings the state without them. So an install leaves a [`Hole`], which is written in the batch that makes the new state
//! current, and [`crate::fetch`] fills it from its end. Whoever reads into a hole is told so, and never given a shorter chain.

mod hole;

pub use hole::Hole;

use crate::disk::format::SMALL;
use crate::disk::keys::Keys;
use crate::disk::{Disk, sync};
use crate::error::{Error, storage};
use crate::machine::{Image, Line, Tip};
use crate::position::Position;
use std::io;
use std::sync::{Arc, Weak};
use symbi_model::codec;
use symbi_store::{Engine, WriteBatch};
use tokio::sync::{Mutex, watch};

/// The most bytes of lines that are given at once, but for a single line that is longer.
pub const CHUNK_BYTES: usize = 512 * 1024;
/// How many lines are read at a time, backwards.
const STEP: usize = 256;

/// The lines of one group on one disk.
///
/// Invariants:
/// - holes rise, and do not touch one another: between two of them there are lines;
/// - the holes that are told are those on disk, or fewer: what fills one is written before it is told.
pub struct Lines {
    /// The disk.
    engine: Weak<dyn Engine>,
    /// The group's keys.
    keys: Keys,
    /// The holes, as they are told.
    holes: watch::Sender<Vec<Hole>>,
    /// Held by whoever changes them, until that is on the disk: an append on its way and a write have no order.
    turn: Mutex<()>,
}

impl Lines {
    /// Reads what is missing.
    pub fn open(engine: &Disk, keys: Keys) -> io::Result<Self> {
        let holes = match engine.get(&keys.holes()).map_err(storage)? {
            Some(bytes) => codec::decode(&bytes, SMALL).map_err(storage)?,
            None => Vec::new(),
        };
        Ok(Self { engine: engine.weak(), keys, holes: watch::Sender::new(holes), turn: Mutex::default() })
    }

    /// The entries whose lines are missing.
    pub fn holes(&self) -> watch::Receiver<Vec<Hole>> {
        self.holes.subscribe()
    }

    /// The same, as ranges of first and last.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        self.holes.borrow().iter().map(|hole| (hole.from, hole.upto)).collect()
    }

    /// The place of the last line of entries up to `index`, here or not.
    pub fn last(&self, index: u64) -> io::Result<Option<Position>> {
        let end = match index.checked_add(1) {
            Some(next) => self.keys.line(Position { index: next, line: 0 }),
            None => self.keys.lines_end(),
        };
        let last = self.engine()?.last(&self.keys.line(Position::default()), &end).map_err(storage)?;
        last.map(|(key, _)| self.at(&key)).transpose()
    }

    /// Whether the last lines up to entry `index` are those at which the state's chain ends. Reads the last entry and no others, so
    /// that a start takes as long after many entries as after few: the whole chain is for `audit verify`.
    ///
    /// # Errors
    /// [`Error::Recovery`] when they are not, [`Error::Storage`].
    pub fn check<I: Image>(&self, image: &I, index: u64) -> Result<(), Error> {
        let tip = image.tip();
        if tip == Tip::default() {
            return Ok(());
        }
        let last = self.last(index)?.map(|at| at.index);
        // Behind the last hole, it may be that no entry has left any yet.
        if self.holes.borrow().last().is_some_and(|hole| last.is_none_or(|last| last <= hole.upto)) {
            return Ok(());
        }
        let lines = match last {
            Some(last) => self.scan(Position { index: last, line: 0 }, last + 1, usize::MAX)?,
            None => Vec::new(),
        };
        match image.unlink(tip, &lines) {
            Ok((_, 0)) if !lines.is_empty() => Ok(()),
            unlinked => {
                let why = unlinked.err().map_or_else(|| "they are missing".to_owned(), |error| error.to_string());
                let reason = format!("the last lines of its audit, up to entry {index}, are not its state's: {why}");
                Err(Error::Recovery { reason })
            }
        }
    }

    /// At most `limit` lines from `from` on, of entries before `end`. None means that there are none.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when the next ones are in a hole, [`Error::Storage`].
    pub fn read(&self, from: Position, end: u64, limit: usize) -> Result<Vec<Line>, Error> {
        let hole = self.holes.borrow().iter().find(|hole| hole.upto >= from.index && hole.from < end).copied();
        let Some(hole) = hole else { return Ok(self.scan(from, end, limit)?) };
        let before = if from.index < hole.from { self.scan(from, hole.from, limit)? } else { Vec::new() };
        if before.is_empty() { Err(Error::Incomplete { from: hole.from, upto: hole.upto }) } else { Ok(before) }
    }

    /// The last lines before a place, in their order, but none of entries before `from`: about [`CHUNK_BYTES`] of them, and at least
    /// one if there is any.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when the last ones before it are in a hole, [`Error::Storage`].
    pub fn before(&self, from: u64, before: Position) -> Result<Vec<Line>, Error> {
        let last = if before.line == 0 { before.index.checked_sub(1) } else { Some(before.index) };
        let Some(last) = last else { return Ok(Vec::new()) };
        let hole = self.holes.borrow().iter().rfind(|hole| hole.from <= last).copied();
        if let Some(Hole { from, upto, .. }) = hole.filter(|hole| hole.upto >= last) {
            return Err(Error::Incomplete { from, upto });
        }
        let from = from.max(hole.map_or(0, |hole| hole.upto + 1));
        let first = self.keys.line(Position { index: from, line: 0 });
        let (engine, mut end) = (self.engine()?, self.keys.line(before));
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let page = engine.scan_back(&first, &end, STEP).map_err(storage)?;
            let Some((lowest, _)) = page.last() else { break };
            end.clone_from(lowest);
            for (key, value) in page {
                bytes += key.len() + value.len();
                if bytes > CHUNK_BYTES && !lines.is_empty() {
                    lines.reverse();
                    return Ok(lines);
                }
                lines.push((self.at(&key)?, value));
            }
        }
        lines.reverse();
        Ok(lines)
    }

    /// Writes the batch that makes a state current whose entries up to `hole.upto` have left no lines here, with the hole, and waits
    /// until both are durable.
    pub async fn skip(&self, hole: Hole, mut batch: WriteBatch) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let holes = hole::with(&self.holes.borrow(), hole);
        batch.put(self.keys.holes(), codec::encode(&holes));
        sync(&*self.engine()?, batch).await?;
        self.holes.send_replace(holes);
        Ok(())
    }

    /// Writes the last lines of a hole, which end at its tip and begin behind `tip`; nothing if the hole has changed meanwhile.
    pub async fn fill(&self, hole: &Hole, lines: Vec<Line>, tip: Tip) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let Some(first) = lines.first().map(|(at, _)| at.index) else { return Ok(()) };
        let Some(holes) = hole::without(&self.holes.borrow(), hole, first, tip)? else { return Ok(()) };
        let mut batch = WriteBatch::new();
        for (at, value) in lines {
            batch.put(self.keys.line(at), value);
        }
        batch.put(self.keys.holes(), codec::encode(&holes));
        self.engine()?.write(batch).map_err(storage)?;
        self.holes.send_replace(holes);
        Ok(())
    }

    fn scan(&self, from: Position, end: u64, limit: usize) -> io::Result<Vec<Line>> {
        let end = self.keys.line(Position { index: end, line: 0 });
        let lines = self.engine()?.scan(&self.keys.line(from), &end, limit).map_err(storage)?;
        lines.into_iter().map(|(key, value)| Ok((self.at(&key)?, value))).collect()
    }

    fn at(&self, key: &[u8]) -> io::Result<Position> {
        self.keys.line_position(key).ok_or_else(|| io::Error::other("a line's key is malformed"))
    }

    fn engine(&self) -> io::Result<Arc<dyn Engine>> {
        self.engine.upgrade().ok_or_else(|| io::Error::other("the replica was shut down"))
    }
}

#[cfg(test)]
mod tests;
