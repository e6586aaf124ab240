//! A file in the making: written beside its own place, and put there when it is whole and synced. Until then, and if it comes
//! to nothing, what was there stays as it is, and nothing else is left, unless the process is killed: then a part of it is.
//!
//! *Caveats.* What is no plain file, such as a pipe or a device, is written to as it is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file. Dropped before it is [`AtomicFile::put`], it is removed.
pub struct AtomicFile {
    /// What is written to.
    file: File,
    /// Where that is, if it is to be renamed.
    beside: Option<PathBuf>,
    /// Its own place.
    place: PathBuf,
}

impl AtomicFile {
    /// An empty one for `place`.
    pub fn new(place: &Path) -> io::Result<Self> {
        // Behind a link it is the file itself that is written anew.
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        if fs::metadata(&place).is_ok_and(|there| !there.is_file()) {
            let file = File::options().write(true).open(&place)?;
            return Ok(Self { file, beside: None, place });
        }
        let name = place.file_name().ok_or_else(|| io::Error::other("it is not a file name"))?;
        let beside = place.with_file_name(format!(".{}.{:08x}.part", name.to_string_lossy(), rand::random::<u32>()));
        let file = File::create_new(&beside)?;
        if let Ok(there) = fs::metadata(&place) {
            file.set_permissions(there.permissions())?;
        }
        Ok(Self { file, beside: Some(beside), place })
    }

    /// Syncs it and puts it in its place.
    pub fn put(mut self) -> io::Result<()> {
        let Some(beside) = &self.beside else { return self.file.flush() };
        self.file.sync_all()?;
        fs::rename(beside, &self.place)?;
        self.beside = None;
        let folder = self.place.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        // A folder that may be written to but not read cannot be synced; the file is in it all the same.
        File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // Whoever is told of the failure that led here needs no second one.
            let _ = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AtomicFile;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("b.jsonl");
        let mut file = AtomicFile::new(&place).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!place.exists());
        drop(file);
        assert_eq!(names(folder.path()), [""; 0]);
        let mut file = AtomicFile::new(&place).unwrap();
        file.write_all(b"whole").unwrap();
        file.put().unwrap();
        assert_eq!((names(folder.path()), fs::read(&place).unwrap()), (vec!["b.jsonl".to_owned()], b"whole".to_vec()));
    }

    #[test]
    fn what_was_there_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (place, link) = (folder.path().join("b.jsonl"), folder.path().join("link"));
        fs::write(&place, "old").unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&place, &link).unwrap();
        let mut file = AtomicFile::new(&link).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&place).unwrap(), b"old");
        let mut file = AtomicFile::new(&link).unwrap();
        file.write_all(b"new").unwrap();
        file.put().unwrap();
        assert_eq!((fs::read(&place).unwrap(), fs::read_link(&link).unwrap()), (b"new".to_vec(), place.clone()));
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600, "it is as private as it was");
    }

    #[test]
    fn a_device_is_written_to_and_no_folder_is() {
        let mut file = AtomicFile::new(Path::new("/dev/full")).unwrap();
        assert!(file.write_all(b"more than it has").is_err());
        assert!(AtomicFile::new(Path::new("/dev")).is_err());
        assert!(AtomicFile::new(Path::new("/no/such/folder/b.jsonl")).is_err());
    }
}
