//! The seam to what a group agrees on: a machine applies the entries of the log to a state of its own.
//!
//! The rest of the crate is the same for every machine: it keeps the log, votes, ships entries and snapshots, and writes
//! what a machine asks it to. [`crate::suite::machine`] checks an implementation.
//!
//! What a machine keeps on disk is of two kinds: *rows*, which are its state and may change, and *lines*, which are what
//! each entry left behind and never change again. Rows lie under a generation, which a machine does not see, and a snapshot is
//! made of them. Lines are in no snapshot: a replica that took one fetches those that it lacks (see [`crate::fetch`]), and what
//! its state says of their end proves them.

use crate::disk::keys::Keys;
use crate::entry::Entry;
use crate::error::storage;
use crate::position::Position;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use symbi_model::{Hash, gate};
use symbi_store::{Engine, WriteBatch};

pub mod frames;
pub mod generation;

mod capture;
mod filling;
mod load;

pub use capture::{Builder, Capture, Slot, store};
pub use filling::{Filling, local};
pub use generation::{Filled, Generation, Generations};
pub use load::load;

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// A line: where it is, and its value.
pub type Line = (Position, Vec<u8>);

/// The end of a chain of lines, as a state has it. Of no lines, the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// What the last link of the chain comes to.
    pub head: Hash,
    /// How many links it has.
    pub count: u64,
}

/// What a group agrees on.
///
/// Total and deterministic: the same entries in the same order give the same rows, lines and answers on every replica. What
/// it cannot apply is an error, which ends the replica, because one that skipped it would differ from the others.
pub trait Machine: Sized + Send + Sync + 'static {
    /// Its state at one index, as others see it.
    type Image: Image;
    /// Its state while it is put together.
    type Loading: Loading<Image = Self::Image>;

    /// The machine whose state this is; all of its rows are written.
    fn of(image: Self::Image) -> Self;

    /// Applies the next entry, and gives the answer for whoever proposed it. What must be written with it, lines above all,
    /// goes to `writes`; rows may be kept back until [`Machine::save`].
    ///
    /// # Errors
    /// When the entry cannot be applied by this program. The machine is not used any more.
    fn apply(&mut self, entry: &Entry, writes: &mut Writes<'_>) -> io::Result<Bytes>;

    /// Whether rows that were kept back should be written now.
    fn is_due(&self) -> bool;

    /// Writes the rows that were kept back. Those on disk are its state then.
    fn save(&mut self, writes: &mut Writes<'_>);

    /// Its state as it is now.
    fn image(&self) -> Self::Image;
}

/// A machine's state at one index. A clone of it is cheap, and nothing that is applied later changes it.
pub trait Image: Clone + Send + Sync + 'static {
    /// What its rows come to: equal on replicas that have applied the same entries. It finds accidents.
    fn hash(&self) -> Hash;

    /// Its rows by rising key, read as they are asked for.
    fn rows(&self) -> Box<dyn Iterator<Item = Row> + Send>;

    /// The gate that is open in it: replicas whose programs speak less are not heard.
    fn gate(&self) -> u32 {
        gate::FIRST
    }

    /// Whether a replica whose state is `own` may take this one in its place, which came as that behind entry `last`.
    ///
    /// # Errors
    /// When it is not whole, or the two cannot be of one log.
    fn follows(&self, own: &Self, last: u64) -> io::Result<()> {
        let _ = (own, last);
        Ok(())
    }

    /// What a snapshot of it carries: itself, unless a defect is planted.
    #[must_use]
    fn sent(self) -> Self {
        self
    }

    /// Where the lines of all entries in it end. A machine that leaves no lines says nothing of them.
    fn tip(&self) -> Tip {
        Tip::default()
    }

    /// Holds lines, in their order, against the `tip` at which they must end. Takes whole entries from the last one backwards, and
    /// gives the tip before those, and how many lines are left over at the front: those of an entry whose first lines are not
    /// among them.
    ///
    /// # Errors
    /// When a line is none of those that lead to this tip.
    fn unlink(&self, tip: Tip, lines: &[Line]) -> io::Result<(Tip, usize)> {
        if lines.is_empty() { Ok((tip, 0)) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "it has no lines")) }
    }
}

/// A machine's state while it is put together from its rows.
pub trait Loading: Default + Send + 'static {
    /// What it becomes.
    type Image: Image;

    /// Takes the next row.
    ///
    /// # Errors
    /// When it is no row of this machine's.
    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()>;

    /// That was all of it.
    ///
    /// # Errors
    /// When it does not fit together.
    fn finish(self) -> io::Result<Self::Image>;
}

/// What a machine writes.
pub struct Writes<'a> {
    /// What is written at once.
    batch: &'a mut WriteBatch,
    /// The group's keys.
    keys: &'a Keys,
    /// The generation in use.
    generation: u64,
    /// The entry that is applied, or was last.
    index: u64,
    /// The disk, if it may have the lines already: as they are applied again after a crash.
    before: Option<&'a dyn Engine>,
}

impl<'a> Writes<'a> {
    /// Writes of the entry at `index`, to a generation.
    pub(crate) fn new(batch: &'a mut WriteBatch, keys: &'a Keys, generation: u64, index: u64) -> Self {
        Self { batch, keys, generation, index, before: None }
    }

    /// The same, of an entry that was applied before, as far as the disk knows.
    pub(crate) fn again(self, engine: &'a dyn Engine) -> Self {
        Self { before: Some(engine), ..self }
    }

    /// Sets a row.
    pub fn put(&mut self, key: &[u8], value: impl Into<Vec<u8>>) {
        self.batch.put(self.keys.row(self.generation, key), value);
    }

    /// Deletes a row.
    pub fn delete(&mut self, key: &[u8]) {
        self.batch.delete(self.keys.row(self.generation, key));
    }

    /// Adds a line of the entry. Numbers rise.
    ///
    /// # Errors
    /// When the disk has another line in its place: an entry leaves the same behind each time that it is applied.
    pub fn line(&mut self, number: u32, value: impl Into<Vec<u8>>) -> io::Result<()> {
        let (key, value) = (self.keys.line(Position { index: self.index, line: number }), value.into());
        let kept = self.before.map(|engine| engine.get(&key)).transpose().map_err(storage)?.flatten();
        match kept {
            Some(kept) if kept == value => Ok(()),
            Some(_) => {
                let what = format!("line {number} of entry {} is not the one that it left before", self.index);
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            None => {
                self.batch.put(key, value);
                Ok(())
            }
        }
    }
}
