//! Pid files: what of ours was running when we died. One a run, on the disk before the agent's first instruction.

use super::Run;
use crate::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A process that cannot be mistaken for another one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its pid, which is its group's id too.
    pub pid: i32,
    /// When it began, in clock ticks since the boot.
    pub started: u64,
    /// Which boot.
    pub boot: String,
}

/// Where they lie.
pub(super) fn directory(run_dir: &Path) -> PathBuf {
    run_dir.join("pids")
}

/// Writes a run's pid file; it is on the disk when this returns.
pub(super) fn write(run_dir: &Path, run: &Run, identity: &Identity) -> Result<(), Error> {
    let path = file(run_dir, run);
    let put = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        writeln!(file, "{} {} {}", identity.pid, identity.started, identity.boot)?;
        file.sync_all()?;
        File::open(directory(run_dir))?.sync_all()
    };
    put().map_err(|source| Error::RunDir { path: path.clone(), source })
}

/// Removes a run's pid file. If it survives a crash, it names a process that is no more.
pub(super) fn remove(run_dir: &Path, run: &Run) {
    if let Err(error) = std::fs::remove_file(file(run_dir, run)) {
        tracing::warn!(run = run.name, %error, "a pid file stays");
    }
}

/// Every pid file, with what it says; one that was being written when we died says nothing, and nothing ran for it.
pub(super) fn list(run_dir: &Path) -> Result<Vec<(PathBuf, Option<Identity>)>, Error> {
    let directory = directory(run_dir);
    let read = || -> io::Result<Vec<_>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let identity = std::fs::read_to_string(&path).ok().and_then(|text| parse(&text));
            files.push((path, identity));
        }
        Ok(files)
    };
    read().map_err(|source| Error::RunDir { path: directory.clone(), source })
}

/// The run a file belongs to.
pub(super) fn run_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".pid")
}

fn file(run_dir: &Path, run: &Run) -> PathBuf {
    directory(run_dir).join(format!("{}.pid", run.name))
}

fn parse(text: &str) -> Option<Identity> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let pid = words.next()?.parse().ok().filter(|pid| *pid > 1)?;
    let identity = Identity { pid, started: words.next()?.parse().ok()?, boot: words.next()?.to_owned() };
    words.next().is_none().then_some(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_file_says_nothing() {
        let whole = "17 4711 b00t\n";
        assert_eq!(parse(whole), Some(Identity { pid: 17, started: 4711, boot: "b00t".to_owned() }));
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(parse("1 2 b\n"), None, "init is never ours");
        assert_eq!(parse("17 4711 b00t more\n"), None);
    }
}
