//! The files of a real folder.

use super::{Files, check};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A folder on a disk.
///
/// Invariants:
/// - a file that was appended to is kept open until it is synced, so that this sync hears of every error since;
/// - a file, or the folder, whose sync has failed takes nothing more.
#[derive(Debug)]
pub struct Folder {
    /// Where it is.
    path: PathBuf,
    /// Its files that were changed and not synced since, by name.
    changed: Mutex<BTreeMap<String, Arc<Changed>>>,
    /// Why the names can no longer be made durable, if they cannot.
    failed: Mutex<Option<Error>>,
}

/// A file that was changed and not synced since.
#[derive(Debug)]
struct Changed {
    /// The file.
    file: File,
    /// Its end.
    end: Mutex<End>,
}

/// Where a file ends, and whether it may grow.
#[derive(Debug)]
struct End {
    /// How many bytes it has.
    size: u64,
    /// How often it was changed.
    changes: u64,
    /// Why it takes nothing more, if it does not.
    failed: Option<Error>,
}

impl Folder {
    /// Opens the folder at `path`, made if it is not there.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path).map_err(|cause| error("", &cause))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_names(parent).map_err(|cause| error("", &cause))?;
        }
        Ok(Self { path: path.to_owned(), changed: Mutex::default(), failed: Mutex::default() })
    }

    fn at(&self, name: &str) -> PathBuf {
        check(name);
        self.path.join(name)
    }

    fn changed(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Changed>>> {
        lock(&self.changed)
    }

    /// The file, open for a change.
    fn change(&self, name: &str) -> Result<Arc<Changed>, Error> {
        let path = self.at(name);
        let mut changed = self.changed();
        if let Some(known) = changed.get(name) {
            return Ok(Arc::clone(known));
        }
        let opened = OpenOptions::new().write(true).open(path);
        let file = opened.map_err(|cause| error(name, &cause))?;
        let size = file.metadata().map_err(|cause| error(name, &cause))?.len();
        let opened = Arc::new(Changed { file, end: Mutex::new(End { size, changes: 0, failed: None }) });
        changed.insert(name.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    fn admit(&self) -> Result<(), Error> {
        lock(&self.failed).clone().map_or(Ok(()), Err)
    }
}

impl Files for Folder {
    fn list(&self) -> Result<Vec<String>, Error> {
        let entries = fs::read_dir(&self.path).map_err(|cause| error("", &cause))?;
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = entries.map(name).collect::<io::Result<_>>().map_err(|cause| error("", &cause))?;
        names.sort_unstable();
        Ok(names)
    }

    fn size(&self, name: &str) -> Result<u64, Error> {
        fs::metadata(self.at(name)).map(|metadata| metadata.len()).map_err(|cause| error(name, &cause))
    }

    fn read(&self, name: &str, from: u64, count: usize) -> Result<Vec<u8>, Error> {
        let file = File::open(self.at(name)).map_err(|cause| error(name, &cause))?;
        read(&file, from, count).map_err(|cause| error(name, &cause))
    }

    fn create(&self, name: &str) -> Result<(), Error> {
        self.admit()?;
        let made = OpenOptions::new().write(true).create_new(true).open(self.at(name));
        made.map(drop).map_err(|cause| error(name, &cause))
    }

    fn append(&self, name: &str, bytes: &[u8]) -> Result<u64, Error> {
        let changed = self.change(name)?;
        let mut end = lock(&changed.end);
        end.admit()?;
        let begin = end.size;
        if let Err(cause) = changed.file.write_all_at(bytes, begin) {
            // A part of it may be there. What cannot be taken back would be in front of the next append.
            if let Err(cause) = changed.file.set_len(begin) {
                end.failed = Some(error(name, &cause));
            }
            return Err(error(name, &cause));
        }
        end.size += u64::try_from(bytes.len()).expect("a slice is shorter than a file may be");
        end.changes += 1;
        Ok(begin)
    }

    fn truncate(&self, name: &str, size: u64) -> Result<(), Error> {
        let changed = self.change(name)?;
        let mut end = lock(&changed.end);
        end.admit()?;
        if size < end.size {
            changed.file.set_len(size).map_err(|cause| error(name, &cause))?;
            end.size = size;
            end.changes += 1;
        }
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<(), Error> {
        let changed = self.change(name)?;
        let changes = {
            let end = lock(&changed.end);
            end.admit()?;
            end.changes
        };
        // Appends go on meanwhile.
        if let Err(cause) = changed.file.sync_all() {
            let failed = error(name, &cause);
            lock(&changed.end).failed = Some(failed.clone());
            return Err(failed);
        }
        let mut all = self.changed();
        let end = lock(&changed.end);
        // Whoever else has it is about to change it, and must not meet a second notion of where it ends.
        let alone = Arc::strong_count(&changed) == 2;
        let known = all.get(name).is_some_and(|known| Arc::ptr_eq(known, &changed));
        if known && alone && end.changes == changes && end.failed.is_none() {
            all.remove(name);
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.admit()?;
        let mut changed = self.changed();
        fs::rename(self.at(from), self.at(to)).map_err(|cause| error(from, &cause))?;
        let moved = changed.remove(from);
        changed.remove(to);
        changed.extend(moved.map(|moved| (to.to_owned(), moved)));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.admit()?;
        let mut changed = self.changed();
        fs::remove_file(self.at(name)).map_err(|cause| error(name, &cause))?;
        changed.remove(name);
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), Error> {
        self.admit()?;
        sync_names(&self.path).map_err(|cause| {
            let failed = error("", &cause);
            lock(&self.failed).get_or_insert(failed).clone()
        })
    }
}

impl End {
    fn admit(&self) -> Result<(), Error> {
        self.failed.clone().map_or(Ok(()), Err)
    }
}

fn sync_names(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn read(file: &File, from: u64, count: usize) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().saturating_sub(from);
    let mut bytes = vec![0; usize::try_from(there).unwrap_or(usize::MAX).min(count)];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

fn error(name: &str, cause: &io::Error) -> Error {
    match cause.kind() {
        ErrorKind::NotFound => Error::Missing(name.to_owned()),
        ErrorKind::AlreadyExists => Error::Exists(name.to_owned()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(if name.is_empty() { cause.to_string() } else { format!("{name}: {cause}") }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
