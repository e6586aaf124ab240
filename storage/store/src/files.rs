//! The seam for files in a folder: journals and segments that grow at their end, and files that are written once and put in
//! place whole. Two implementations: [`Folder`] over `std::fs`, and [`Simulated`] in memory, for simulations.
//!
//! Not here: folders in folders, and a lock against a second process; whoever opens a folder holds that of its data
//! directory.

mod folder;
mod simulated;
pub mod suite;
mod worker;

pub use folder::Folder;
pub use simulated::{Simulated, SimulatedFiles, Tail};
pub use worker::{Job, Worker};

use crate::error::Error;

/// The files of one folder.
///
/// Invariants, each a case of [`suite`]:
/// - what was in a file when a [`Files::sync`] of it began survives any crash, under the name that the folder keeps for it;
/// - the folder keeps at least the names as of the last [`Files::sync_folder`], and of what was created, renamed and removed
///   since the first so many;
/// - a file that was appended to and not synced may end, after a crash, at any byte behind what was synced, and from any byte
///   on it may hold zeros: whoever appends marks where a record is whole;
/// - an append that fails changes nothing, though a crash before the next sync may leave a part of it;
/// - once a sync has failed, its file refuses to be appended to and synced until the folder is opened again: the kernel may
///   have let go of what it could not write, and the next sync would know nothing of it.
///
/// Every call blocks for as long as the disk takes: a [`Worker`] keeps that from a thread of a runtime. Names are plain: not
/// empty, without `/`, and not `.` or `..`.
pub trait Files: Send + Sync + 'static {
    /// The names, sorted.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Closed`].
    fn list(&self) -> Result<Vec<String>, Error>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// [`Error::Missing`], and as for [`Files::list`].
    fn size(&self, name: &str) -> Result<u64, Error>;

    /// The `count` bytes of a file from `from` on; fewer where it ends before that.
    ///
    /// # Errors
    /// As for [`Files::size`].
    fn read(&self, name: &str, from: u64, count: usize) -> Result<Vec<u8>, Error>;

    /// Makes an empty file.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Full`], and as for [`Files::list`].
    fn create(&self, name: &str) -> Result<(), Error>;

    /// Adds bytes at a file's end, and answers where they begin. Appends to one file come one after the other.
    ///
    /// # Errors
    /// [`Error::Full`], after which it may be tried again; and as for [`Files::size`].
    fn append(&self, name: &str, bytes: &[u8]) -> Result<u64, Error>;

    /// Cuts a file off behind `size` bytes; nothing happens if it has no more. Durable with the file's next sync.
    ///
    /// # Errors
    /// As for [`Files::size`].
    fn truncate(&self, name: &str, size: u64) -> Result<(), Error>;

    /// Makes what is in a file durable.
    ///
    /// # Errors
    /// As for [`Files::append`].
    fn sync(&self, name: &str) -> Result<(), Error>;

    /// Gives a file another name, in place of whatever has it.
    ///
    /// # Errors
    /// As for [`Files::size`].
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;

    /// Removes a file.
    ///
    /// # Errors
    /// As for [`Files::size`].
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Makes the names durable.
    ///
    /// # Errors
    /// As for [`Files::list`].
    fn sync_folder(&self) -> Result<(), Error>;
}

/// A name is one of the program's own making.
///
/// # Panics
/// When it could lead out of the folder.
fn check(name: &str) {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    assert!(plain, "{name:?} is no plain file name");
}
