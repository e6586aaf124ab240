//! RocksDB's errors in the seam's words.

use rocksdb::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use symbi_store::Error;

/// An error of a running engine.
pub(crate) fn of(error: &rocksdb::Error) -> Error {
    sort(error.kind(), error.to_string())
}

/// An error met while opening `path`.
pub(crate) fn opening(path: &Path, error: &rocksdb::Error) -> Error {
    let text = error.to_string();
    let locked = text.contains("lock file") || text.contains("lock hold by current process");
    if error.kind() == ErrorKind::IOError && locked {
        return Error::InUse { path: in_use(path) };
    }
    sort(error.kind(), text)
}

fn sort(kind: ErrorKind, text: String) -> Error {
    // RocksDB's sub-code for a full disk does not cross its C interface; its text does.
    if text.contains("No space left on device") {
        return Error::Full;
    }
    match kind {
        ErrorKind::Corruption => Error::Corrupt(text),
        ErrorKind::ShutdownInProgress => Error::Closed,
        _ => Error::Io(text),
    }
}

/// The path, and the process that holds its lock if the kernel tells.
fn in_use(path: &Path) -> String {
    let Some(pid) = holder(&path.join("LOCK")) else { return path.display().to_string() };
    format!("{} (process {pid})", path.display())
}

/// The process that holds a POSIX lock on `file`, from `/proc/locks`: `1: POSIX ADVISORY WRITE pid major:minor:inode 0 EOF`.
fn holder(file: &Path) -> Option<u32> {
    let inode = std::fs::metadata(file).ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let pid = words.next()?.parse().ok()?;
        (words.next()?.rsplit(':').next()? == inode).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::sort;
    use rocksdb::ErrorKind;
    use symbi_store::Error;

    #[test]
    fn errors_are_sorted_by_what_an_operator_must_do() {
        let full = "IO error: No space left on device: While appending to file: /d/000004.log: No space left on device";
        assert_eq!(sort(ErrorKind::IOError, full.into()), Error::Full);
        assert_eq!(sort(ErrorKind::Corruption, "bad".into()), Error::Corrupt("bad".into()));
        assert_eq!(sort(ErrorKind::ShutdownInProgress, String::new()), Error::Closed);
        assert_eq!(sort(ErrorKind::IOError, "EIO".into()), Error::Io("EIO".into()));
    }
}
