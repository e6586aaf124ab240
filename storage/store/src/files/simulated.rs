//! Files in memory, which a crash leaves as a real disk may: cut off at any byte behind the last sync, or full of zeros from
//! there on, and without the names that were not synced.

mod content;
mod names;

pub use content::Tail;

use super::{Files, check};
use crate::draw::{Cut, Draw};
use crate::error::Error;
use content::Content;
use names::{Change, Names};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A folder in memory, which outlives the hosts that open it.
#[derive(Debug, Default)]
pub struct Simulated {
    /// Everything, under one lock.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The names.
    names: Names,
    /// The files, by number.
    files: BTreeMap<u64, Content>,
    /// The number of the next file.
    next: u64,
    /// Whether there is no room.
    full: bool,
    /// The failure that the next append or sync will meet.
    injected: Option<Error>,
    /// Why the names can no longer be made durable, if they cannot.
    failed: Option<Error>,
    /// Which opening is the last one; earlier ones are closed.
    session: u64,
    /// From where it is drawn what a crash leaves.
    draw: Option<Draw>,
}

/// An open [`Simulated`] folder; the next opening, or a crash, closes it.
#[derive(Debug)]
pub struct SimulatedFiles {
    /// What it reads and writes.
    folder: Arc<Simulated>,
    /// Which opening of the folder this is.
    session: u64,
}

impl Simulated {
    /// An empty folder, of which a crash takes everything that was not synced.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An empty folder, of which a crash takes as much of what was not synced as it draws from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { draw: Some(Draw::new(seed)), ..Inner::default() }) })
    }

    /// Opens it, as the last crash or the last opening left it.
    ///
    /// # Errors
    /// None; it is fallible as that of a real folder is.
    pub fn open(self: &Arc<Self>) -> Result<SimulatedFiles, Error> {
        let mut inner = self.lock();
        inner.session += 1;
        inner.failed = None;
        inner.files.values_mut().for_each(|content| content.failed = None);
        Ok(SimulatedFiles { folder: Arc::clone(self), session: inner.session })
    }

    /// A power cut: whoever has it open is answered `Closed` from now on. Answers how many files were torn inside an append.
    pub fn crash(&self) -> usize {
        let mut inner = self.lock();
        let mut draw = inner.draw.take();
        let torn = inner.crash(|| match &mut draw {
            None => (Cut::Before, Tail::Gone),
            Some(draw) => (Cut::drawn(draw), if draw.below(3) == 0 { Tail::Zeros } else { Tail::Gone }),
        });
        inner.draw = draw;
        torn
    }

    /// A crash that leaves, of each file's bytes that were not synced and of the changes of names, the first `part` of `of`
    /// equal parts.
    ///
    /// # Panics
    /// When there are no parts, or fewer than it is to leave.
    pub fn crash_keeping(&self, part: u64, of: u64, tail: Tail) -> usize {
        assert!(of > 0 && part <= of, "{part} of {of} parts");
        self.lock().crash(|| (Cut::Behind(part, of), tail))
    }

    /// Lets the next append or sync fail.
    pub fn fail_next(&self, error: Error) {
        self.lock().injected = Some(error);
    }

    /// From now on there is no room for anything more.
    pub fn fill(&self) {
        self.lock().full = true;
    }

    /// There is room again.
    pub fn free(&self) {
        self.lock().full = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedFiles {
    fn open(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        let inner = self.folder.lock();
        if inner.session == self.session { Ok(inner) } else { Err(Error::Closed) }
    }
}

impl Files for SimulatedFiles {
    fn list(&self) -> Result<Vec<String>, Error> {
        Ok(self.open()?.names.now.keys().cloned().collect())
    }

    fn size(&self, name: &str) -> Result<u64, Error> {
        Ok(position(self.open()?.file(name)?.now.len()))
    }

    fn read(&self, name: &str, from: u64, count: usize) -> Result<Vec<u8>, Error> {
        let mut inner = self.open()?;
        let bytes = &inner.file(name)?.now;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes[from..from.saturating_add(count).min(bytes.len())].to_vec())
    }

    fn create(&self, name: &str) -> Result<(), Error> {
        check(name);
        let mut inner = self.open()?;
        inner.admit()?;
        if inner.names.now.contains_key(name) {
            return Err(Error::Exists(name.to_owned()));
        }
        if inner.full {
            return Err(Error::Full);
        }
        let file = inner.next;
        inner.next += 1;
        inner.files.insert(file, Content::default());
        inner.names.change(Change::Create(name.to_owned(), file));
        Ok(())
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<u64, Error> {
        let mut inner = self.open()?;
        inner.changeable(name)?;
        // What was written before it failed is taken back, and until that is on the disk a crash may find it.
        if let Some(error) = inner.failure() {
            let content = inner.file(name)?;
            let begin = content.append(&bytes[..bytes.len() / 2]);
            content.truncate(begin);
            return Err(error);
        }
        Ok(position(inner.file(name)?.append(bytes)))
    }

    fn truncate(&self, name: &str, size: u64) -> Result<(), Error> {
        let mut inner = self.open()?;
        inner.changeable(name)?.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<(), Error> {
        let mut inner = self.open()?;
        inner.changeable(name)?;
        let failed = inner.injected.take();
        let content = inner.file(name)?;
        content.failed.clone_from(&failed);
        match failed {
            Some(error) => Err(error),
            None => {
                content.sync();
                Ok(())
            }
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        check(to);
        let mut inner = self.open()?;
        inner.admit()?;
        inner.file(from)?;
        inner.names.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let mut inner = self.open()?;
        inner.admit()?;
        inner.file(name)?;
        inner.names.change(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), Error> {
        let mut inner = self.open()?;
        inner.admit()?;
        inner.failed = inner.injected.take();
        inner.admit()?;
        inner.names.sync();
        inner.forget();
        Ok(())
    }
}

impl Inner {
    fn file(&mut self, name: &str) -> Result<&mut Content, Error> {
        check(name);
        let file = self.names.now.get(name).ok_or_else(|| Error::Missing(name.to_owned()))?;
        Ok(self.files.get_mut(file).expect("every file that has a name is there"))
    }

    /// A file that is to change.
    fn changeable(&mut self, name: &str) -> Result<&mut Content, Error> {
        let content = self.file(name)?;
        content.failed.clone().map_or(Ok(content), Err)
    }

    fn admit(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn failure(&mut self) -> Option<Error> {
        self.injected.take().or_else(|| self.full.then_some(Error::Full))
    }

    fn crash(&mut self, mut cut: impl FnMut() -> (Cut, Tail)) -> usize {
        self.session += 1;
        self.injected = None;
        self.names.crash(cut().0);
        self.forget();
        let crash = |content: &mut Content| {
            let (cut, tail) = cut();
            content.crash(cut, tail)
        };
        self.files.values_mut().map(crash).filter(|torn| *torn).count()
    }

    /// Forgets files that no crash can bring back.
    fn forget(&mut self) {
        let names = &self.names;
        self.files.retain(|file, _| names.has(*file));
    }
}

fn position(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("memory is smaller than a file may be")
}
