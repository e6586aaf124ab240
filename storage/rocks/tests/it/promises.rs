//! The suite that every engine passes.

use std::fs;
use std::path::{Path, PathBuf};
use symbi_rocks::{Options, Rocks};
use symbi_store::{Error, suite};
use tempfile::TempDir;

/// A directory with a database.
///
/// A crash copies the files while the database is open, and goes on with the copy. That is what the kernel has at the moment
/// of a `kill -9`: it proves recovery without a close, but not that anything reached the disk itself. The latter is shown
/// by RocksDB's own count of syncs (a unit test of the engine) and, here, by cutting the log back to the length that it had
/// at the last acknowledgement ([`crate::damage`]).
struct Directories {
    /// Where they all lie.
    root: TempDir,
    /// How many crashes there were.
    crashes: u32,
}

impl Directories {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a directory"), crashes: 0 }
    }

    fn current(&self) -> PathBuf {
        self.root.path().join(self.crashes.to_string())
    }
}

impl suite::Bed for Directories {
    type Engine = Rocks;

    fn open(&mut self) -> Result<Rocks, Error> {
        Rocks::open(&self.current(), Options::default())
    }

    fn crash(&mut self) {
        let from = self.current();
        self.crashes += 1;
        copy(&from, &self.current());
    }
}

/// Copies a database's files.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for file in fs::read_dir(from).expect("a directory") {
        let file = file.expect("an entry");
        fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

#[test]
fn rocks_passes() {
    suite::run(Directories::new);
}

#[test]
fn in_use_names_the_directory_and_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let _open = Rocks::open(directory.path(), Options::default()).expect("open");
    let error = Rocks::open(directory.path(), Options::default()).map(drop).expect_err("open twice");
    let holder = format!("{} (process {})", directory.path().display(), std::process::id());
    assert_eq!(error, Error::InUse { path: holder });
}
