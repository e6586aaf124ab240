//! What a case needs of the place where files are.

use crate::error::Error;
use crate::files::Files;

/// A place for one folder: what is in it outlives whoever has it open.
pub trait Bed {
    /// The files.
    type Files: Files;

    /// Opens the folder, as the last crash, or whoever had it open last, left it.
    ///
    /// # Errors
    /// What the implementation says.
    fn open(&mut self) -> Result<Self::Files, Error>;

    /// Takes from the folder what a crash takes; the next [`Bed::open`] sees what is left.
    ///
    /// # Errors
    /// Why that cannot be done here; then nothing was taken.
    fn crash(&mut self, crash: Crash) -> Result<(), &'static str>;

    /// Makes the next append or sync meet an error.
    ///
    /// # Errors
    /// Why that cannot be done here.
    fn fail_next(&mut self, error: Error) -> Result<(), &'static str>;
}

/// What a crash leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Of each file's bytes, and of the changes of names, the first `part` of `of` equal parts.
    Keeping {
        /// How many parts.
        part: u64,
        /// Of how many.
        of: u64,
    },
    /// The same, but the file is as long as it was, with zeros behind that part.
    Zeros {
        /// How many parts.
        part: u64,
        /// Of how many.
        of: u64,
    },
}

/// A case that was not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub case: &'static str,
    /// Why.
    pub why: &'static str,
}

/// A crash that takes all that was not synced.
pub(super) const TAKES_ALL: Crash = Crash::Keeping { part: 0, of: 1 };
/// A crash that takes nothing.
pub(super) const TAKES_NOTHING: Crash = Crash::Keeping { part: 1, of: 1 };

pub(super) fn open<B: Bed>(bed: &mut B) -> B::Files {
    bed.open().unwrap_or_else(|error| panic!("cannot open the folder: {error}"))
}

/// A file with these bytes, whose bytes are durable.
pub(super) fn synced(files: &impl Files, name: &str, bytes: &[u8]) {
    files.create(name).expect("create");
    files.append(name, bytes).expect("append");
    files.sync(name).expect("sync");
}

/// All that is in a file.
pub(super) fn all(files: &impl Files, name: &str) -> Vec<u8> {
    let bytes = files.read(name, 0, usize::MAX).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
    assert_eq!(files.size(name), Ok(u64::try_from(bytes.len()).expect("few")), "the size is not what is read");
    bytes
}
