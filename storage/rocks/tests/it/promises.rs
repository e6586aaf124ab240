//! The suite that every engine passes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use symbi_rocks::{Options, Rocks};
use symbi_store::{Engine, Error, Run, WriteBatch, suite};
use tempfile::TempDir;

/// A directory with a database.
///
/// A crash copies the files while the database is open, and goes on with the copy. That is what the kernel has at the moment
/// of a `kill -9`: it proves recovery without a close, but not that anything reached the disk itself. The latter is shown
/// by RocksDB's own count of syncs (a unit test of the engine) and by cutting the log back to where it was at the last
/// acknowledgement, or to somewhere behind that ([`suite::Bed::crash_keeping`], [`crate::damage`]).
struct Directories {
    /// Where they all lie.
    root: TempDir,
    /// What is kept apart.
    runs: Vec<Run>,
    /// How many crashes there were.
    crashes: u32,
    /// How long the log was when nothing in it was unsynced.
    synced: u64,
}

impl Directories {
    fn new(runs: Vec<Run>) -> Self {
        Self { root: tempfile::tempdir().expect("a directory"), runs, crashes: 0, synced: 0 }
    }

    fn current(&self) -> PathBuf {
        self.root.path().join(self.crashes.to_string())
    }
}

impl suite::Bed for Directories {
    type Engine = Rocks;

    fn open(&mut self) -> Result<Rocks, Error> {
        Rocks::open(&self.current(), Options { runs: self.runs.clone(), ..Options::default() })
    }

    fn crash(&mut self) {
        let from = self.current();
        self.crashes += 1;
        copy(&from, &self.current());
    }

    fn crash_keeping(&mut self, part: u64, of: u64) {
        self.crash();
        let log = wal(&self.current());
        let length = fs::metadata(&log).expect("a log").len();
        let cut = self.synced + (length - self.synced) * part / of;
        OpenOptions::new().write(true).open(log).expect("a log").set_len(cut).expect("cut");
    }

    fn synced(&mut self) {
        self.synced = fs::metadata(wal(&self.current())).expect("a log").len();
    }

    /// A full file system needs one to mount: `cluster-tests` has it.
    fn fail_next(&mut self, _: Error) -> bool {
        false
    }
}

/// The write-ahead log that is being written.
pub fn wal(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).expect("a directory").map(|file| file.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max().expect("a log")
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
    suite::run(|| Directories::new(Vec::new()));
}

/// The suite's keys begin with 1 and 2, or with letters: runs that cut its ranges in their middles.
#[test]
fn rocks_passes_with_runs_that_are_kept_apart() {
    let run = |name, from: &[u8], to: &[u8]| Run { name, from: from.to_vec(), to: to.to_vec() };
    let runs =
        [run("letters", b"b", b"bb"), run("middle", &[1, 0, 0, 0, 3], &[1, 0, 0, 0, 6]), run("twos", &[2], &[3])];
    suite::run(|| Directories::new(runs.to_vec()));
}

#[test]
fn a_run_that_was_not_there_when_its_rows_were_written_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = Rocks::open(directory.path(), Options::default()).expect("open");
    let mut batch = WriteBatch::new();
    batch.put("log-1", "x").put("other", "x");
    engine.write(batch).expect("write");
    drop(engine);
    let open = |from: &str, to: &str| {
        let runs = vec![Run { name: "log", from: from.into(), to: to.into() }];
        Rocks::open(directory.path(), Options { runs, ..Options::default() }).map(drop)
    };
    let version = |what: &str| Err(Error::Version(what.to_owned()));
    assert_eq!(open("log-", "log."), version("it keeps rows of log in default"), "they would not be found");
    let _ = Rocks::open(directory.path(), Options::default()).expect("what has written it opens it still");
    assert_eq!(open("x", "y"), Ok(()), "a run of which there is nothing yet");
    let error = Rocks::open(directory.path(), Options::default()).map(drop);
    assert_eq!(error, version("it keeps log apart"), "with rows that may be in there");

    let directory = tempfile::tempdir().expect("a directory");
    let runs = |to: &str| vec![Run { name: "log", from: "log-".into(), to: to.into() }];
    let open = |to: &str| Rocks::open(directory.path(), Options { runs: runs(to), ..Options::default() });
    let mut batch = WriteBatch::new();
    batch.put("log-1", "x").put("log-5", "x");
    open("log.").and_then(|engine| engine.write(batch)).expect("write");
    assert_eq!(open("log-3").map(drop), version("it keeps rows of default in log"), "the bounds have changed");
}

/// A directory of 0.1 has no file that says its layout; one of a later version says another.
#[test]
fn a_directory_of_another_layout_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || Rocks::open(directory.path(), Options::default()).map(drop);
    assert_eq!(open(), Ok(()));
    let file = directory.path().join("SYMBI-LAYOUT");
    assert_eq!(fs::read_to_string(&file).expect("the layout"), "2\n");
    let version = |what: &str| Err(Error::Version(format!("its files are of {what}, and this program keeps layout 2")));
    fs::write(&file, "3\n").expect("a write");
    assert_eq!(open(), version("layout \"3\""));
    fs::remove_file(&file).expect("it is there");
    assert_eq!(open(), version("layout 1, that of version 0.1"));
    assert_eq!(open(), version("layout 1, that of version 0.1"), "it was not taken over");
    fs::write(&file, "2\n").expect("a write");
    assert_eq!(open(), Ok(()), "nothing else was changed");
}

#[test]
fn in_use_names_the_directory_and_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let _open = Rocks::open(directory.path(), Options::default()).expect("open");
    let error = Rocks::open(directory.path(), Options::default()).map(drop).expect_err("open twice");
    let holder = format!("{} (process {})", directory.path().display(), std::process::id());
    assert_eq!(error, Error::InUse { path: holder });
}
