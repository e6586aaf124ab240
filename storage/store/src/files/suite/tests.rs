//! The suite over both implementations, over files that lie, which it must find; and the use that a journal makes of them.

mod journal;

use super::{Bed, Crash, Skipped, run};
use crate::error::Error;
use crate::files::{Files, Folder, Simulated, SimulatedFiles, Tail};
use std::sync::Arc;
use tempfile::TempDir;

/// A folder in memory.
struct InMemory<F> {
    /// What outlives who has it open. A crash takes exactly what it is told to.
    folder: Arc<Simulated>,
    /// Makes the files.
    wrap: fn(SimulatedFiles) -> F,
}

impl<F: Files> Bed for InMemory<F> {
    type Files = F;

    fn open(&mut self) -> Result<F, Error> {
        self.folder.open().map(self.wrap)
    }

    fn crash(&mut self, crash: Crash) -> Result<(), &'static str> {
        match crash {
            Crash::Keeping { part, of } => self.folder.crash_keeping(part, of, Tail::Gone),
            Crash::Zeros { part, of } => self.folder.crash_keeping(part, of, Tail::Zeros),
        };
        Ok(())
    }

    fn fail_next(&mut self, error: Error) -> Result<(), &'static str> {
        self.folder.fail_next(error);
        Ok(())
    }
}

/// A folder on this machine's disk, which neither crashes nor fails when a test would like it to.
struct OnDisk {
    /// Where it is.
    root: TempDir,
}

impl Bed for OnDisk {
    type Files = Folder;

    fn open(&mut self) -> Result<Folder, Error> {
        Folder::open(&self.root.path().join("files"))
    }

    fn crash(&mut self, _: Crash) -> Result<(), &'static str> {
        Err("what was not synced is in the kernel's hands, and only a power cut takes it")
    }

    fn fail_next(&mut self, _: Error) -> Result<(), &'static str> {
        Err("the disk of this machine works")
    }
}

fn on_disk() -> OnDisk {
    OnDisk { root: tempfile::tempdir().expect("a directory") }
}

fn in_memory() -> InMemory<SimulatedFiles> {
    InMemory { folder: Simulated::new(), wrap: |files| files }
}

#[test]
fn simulated_files_pass_and_nothing_is_skipped() {
    assert_eq!(run(in_memory), []);
}

#[test]
fn real_files_pass_but_for_crashes_and_failures() {
    let skipped = run(on_disk);
    let kinds: Vec<&str> = skipped.iter().filter_map(|Skipped { case, .. }| case.split(':').next()).collect();
    assert_eq!(kinds, [["crash"; 5].as_slice(), &["failure"; 3]].concat());
}

/// Which promise a [`Liar`] breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// A sync of a file does nothing.
    SyncsNothing,
    /// A sync of the folder does nothing.
    SyncsNoNames,
    /// A rename is a removal and a new file, so that a crash may find neither.
    CopiesInsteadOfRenaming,
    /// A failed sync is forgotten: the next one succeeds.
    TriesAgain,
}

/// Files in memory, but for one lie.
struct Liar {
    /// The honest ones.
    inner: SimulatedFiles,
    /// The lie.
    lie: Lie,
}

impl Files for Liar {
    fn list(&self) -> Result<Vec<String>, Error> {
        self.inner.list()
    }

    fn size(&self, name: &str) -> Result<u64, Error> {
        self.inner.size(name)
    }

    fn read(&self, name: &str, from: u64, count: usize) -> Result<Vec<u8>, Error> {
        self.inner.read(name, from, count)
    }

    fn create(&self, name: &str) -> Result<(), Error> {
        self.inner.create(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<u64, Error> {
        self.inner.append(name, bytes)
    }

    fn truncate(&self, name: &str, size: u64) -> Result<(), Error> {
        self.inner.truncate(name, size)
    }

    fn sync(&self, name: &str) -> Result<(), Error> {
        match self.lie {
            Lie::SyncsNothing => self.inner.size(name).map(drop),
            // What has failed refuses a cut, too, even one that cuts nothing off.
            Lie::TriesAgain if matches!(self.inner.truncate(name, u64::MAX), Err(Error::Io(_))) => Ok(()),
            _ => self.inner.sync(name),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        if self.lie != Lie::CopiesInsteadOfRenaming {
            return self.inner.rename(from, to);
        }
        let bytes = self.inner.read(from, 0, usize::MAX)?;
        let _ = self.inner.remove(to);
        self.inner.create(to)?;
        self.inner.append(to, &bytes)?;
        self.inner.remove(from)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.inner.remove(name)
    }

    fn sync_folder(&self) -> Result<(), Error> {
        if self.lie == Lie::SyncsNoNames { Ok(()) } else { self.inner.sync_folder() }
    }
}

fn lying(lie: Lie) -> InMemory<Liar> {
    let wrap: fn(SimulatedFiles) -> Liar = match lie {
        Lie::SyncsNothing => |inner| Liar { inner, lie: Lie::SyncsNothing },
        Lie::SyncsNoNames => |inner| Liar { inner, lie: Lie::SyncsNoNames },
        Lie::CopiesInsteadOfRenaming => |inner| Liar { inner, lie: Lie::CopiesInsteadOfRenaming },
        Lie::TriesAgain => |inner| Liar { inner, lie: Lie::TriesAgain },
    };
    InMemory { folder: Simulated::new(), wrap }
}

#[test]
#[should_panic(expected = "synced, but gone after a crash")]
fn files_that_sync_nothing_are_found() {
    run(|| lying(Lie::SyncsNothing));
}

#[test]
#[should_panic(expected = "cannot read a: there is no file a")]
fn a_folder_that_syncs_no_names_is_found() {
    run(|| lying(Lie::SyncsNoNames));
}

#[test]
#[should_panic(expected = "cannot read a: there is no file a")]
fn a_rename_that_copies_is_found() {
    super::crash::replaced(&mut || lying(Lie::CopiesInsteadOfRenaming)).expect("it can be crashed");
}

#[test]
#[should_panic(expected = "a second sync knows nothing of what the first one lost")]
fn a_failed_sync_that_is_tried_again_is_found() {
    run(|| lying(Lie::TriesAgain));
}

/// Whatever a crash draws, what was synced is there, and a file is a prefix of what was written, or that with zeros.
#[test]
fn a_drawn_crash_takes_nothing_that_was_synced() {
    let (mut torn, mut zeros, mut whole) = (0, 0, 0);
    for seed in 0..200 {
        let folder = Simulated::seeded(seed);
        let files = folder.open().expect("open");
        super::bed::synced(&files, "a", b"synced");
        files.sync_folder().expect("sync");
        files.append("a", b"behind it").expect("append");
        torn += folder.crash();
        assert_eq!(files.size("a"), Err(Error::Closed), "who had it open is dead");
        let found = super::bed::all(&folder.open().expect("open"), "a");
        let all = b"syncedbehind it";
        let kept = found.iter().zip(all).take_while(|(found, wrote)| found == wrote).count();
        assert!(kept >= 6 && found[kept..].iter().all(|byte| *byte == 0), "seed {seed}: {found:?}");
        zeros += usize::from(kept < found.len());
        whole += usize::from(kept == all.len());
    }
    assert!(torn > 50 && zeros > 10 && whole > 20, "not every fate was drawn: {torn} {zeros} {whole}");
}
