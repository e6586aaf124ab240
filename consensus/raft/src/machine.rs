//! The seam to what a group agrees on: a machine applies the entries of the log to a state of its own.
//!
//! The rest of the crate is the same for every machine: it keeps the log, votes, ships entries and snapshots, and writes
//! what a machine asks it to. [`crate::suite::machine`] checks an implementation.
//!
//! What a machine keeps on disk is of two kinds: *rows*, which are its state and may change, and *lines*, which are what
//! each entry left behind and never change again. Both lie under a generation, which a machine does not see.

use crate::disk::keys::Keys;
use crate::entry::Entry;
use bytes::Bytes;
use std::io;
use symbi_model::{Hash, gate};
use symbi_store::WriteBatch;

pub mod frames;
pub mod generation;

mod capture;
mod filling;
mod load;

pub use capture::{Builder, Capture, Slot, store};
pub use filling::{Filling, local};
pub use generation::{Generation, Generations};
pub use load::load;

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

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

    /// Takes the next line, of the entry at `index`.
    ///
    /// # Errors
    /// When it is no line of this machine's, or does not follow the one before it.
    fn line(&mut self, index: u64, number: u32, value: &[u8]) -> io::Result<()>;

    /// That was all of it.
    ///
    /// # Errors
    /// When it does not fit together.
    fn finish(self, source: Source) -> io::Result<Self::Image>;
}

/// Where a state came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This replica's own disk: the rows alone were read.
    Disk,
    /// A peer: the lines came too, and must be all there are.
    Peer,
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
}

impl<'a> Writes<'a> {
    /// Writes of the entry at `index`, to a generation.
    pub(crate) fn new(batch: &'a mut WriteBatch, keys: &'a Keys, generation: u64, index: u64) -> Self {
        Self { batch, keys, generation, index }
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
    pub fn line(&mut self, number: u32, value: impl Into<Vec<u8>>) {
        self.batch.put(self.keys.line(self.generation, self.index, number), value);
    }
}
