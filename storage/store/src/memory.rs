//! The engine in memory: for simulations and tests.
//!
//! The [`Disk`] outlives the host that has it open, keeps a volatile and a durable content, and fails on demand. Not here:
//! time. A stalled disk stays so until it is told to go on, and a delayed one syncs when it is told to.

mod content;
mod disk;
mod in_flight;

pub use disk::{Backup, Disk};
pub use in_flight::Remains;

use crate::engine::{Engine, OnDurable, Pair};
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::sync::Arc;

/// An open [`Disk`]; dropping it closes it.
#[derive(Debug)]
pub struct Memory {
    /// What it reads and writes.
    disk: Arc<Disk>,
    /// Which opening of the disk this is: a crash ends it.
    session: u64,
}

impl Memory {
    /// Opens a disk, as the last crash or the last close left it.
    ///
    /// # Errors
    /// [`Error::InUse`] while another `Memory` has it open.
    pub fn open(disk: Arc<Disk>) -> Result<Self, Error> {
        let session = disk.open()?;
        Ok(Self { disk, session })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.disk.close(self.session);
    }
}

impl Engine for Memory {
    fn append(&self, batch: WriteBatch, on_durable: OnDurable) {
        self.disk.append(self.session, batch, on_durable);
    }

    fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.disk.write(self.session, batch)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.disk.read(self.session, |content| content.get(key))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        self.disk.read(self.session, |content| content.scan(from, to, limit))
    }

    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, Error> {
        self.disk.read(self.session, |content| content.scan_back(from, to, limit))
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<Pair>, Error> {
        self.disk.read(self.session, |content| content.last(from, to))
    }

    fn failure(&self) -> Option<Error> {
        self.disk.failure()
    }
}

#[cfg(test)]
mod tests;
