//! Finds and ends processes that nobody watches: of an earlier life, or left by an agent that ended.
//!
//! A process is ours if it bears our mark in its environment, or belongs to the group of a process that a pid file
//! names with its start time. It is signalled through a descriptor that was opened before it was looked at, so that
//! a pid that goes to somebody else in between harms nobody.

use super::Living;
use super::pidfd::Pidfd;
use super::pidfile::{self, Identity};
use crate::error::Error;
use rustix::process::Pid;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable of the mark.
pub(super) const MARK: &str = "SYMBI_RUN";
/// A process that is being killed may fork another; so often is looked again.
const ROUNDS: usize = 20;
/// How long the killed of one round may take to be gone. Only a process in the kernel's hands takes longer than moments.
const PATIENCE: Duration = Duration::from_secs(1);

/// What /proc/PID/stat says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// R, S, T, Z, …
    pub state: char,
    /// Its process group.
    pub group: i32,
    /// When it began, in clock ticks since the boot.
    pub started: u64,
}

/// Reads a process's stat, if there is such a process.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Which boot this is.
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Ends everything of earlier lives and removes its pid files. Returns how many processes it killed.
pub(super) async fn sweep(run_dir: &Path, living: &Living) -> Result<usize, Error> {
    let files = pidfile::list(run_dir)?;
    let of_this_life = |path: &PathBuf| {
        pidfile::run_name(path).is_some_and(|name| living.contains(&format!("{}/{name}", run_dir.display())))
    };
    let files: Vec<_> = files.into_iter().filter(|(path, _)| !of_this_life(path)).collect();
    let groups = files.iter().filter_map(|(_, identity)| identity.as_ref()).filter(|identity| alive(identity));
    let groups: BTreeSet<i32> = groups.map(|identity| identity.pid).collect();
    let prefix = format!("{}/", run_dir.display());
    let living = living.clone();
    let ours = move |pid: i32, stat: &Stat| {
        let is_ours = groups.contains(&stat.group)
            || mark(pid).is_some_and(|mark| mark.starts_with(&prefix) && !living.contains(&mark));
        is_ours.then_some(())
    };
    let killed = end(|| {
        let ours = ours.clone();
        async { Ok(look(ours).await?.into_iter().map(|((), process)| process).collect()) }
    })
    .await?;
    for (path, _) in files {
        match std::fs::remove_file(&path) {
            // Its run has ended since the files were listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(|source| Error::RunDir { path, source })?,
        }
    }
    Ok(killed)
}

/// The processes of these runs, by mark, that are there at this moment.
pub(super) async fn of_runs(marks: BTreeSet<String>) -> Result<Vec<(String, Pidfd)>, Error> {
    look(move |pid, _| mark(pid).filter(|mark| marks.contains(mark))).await
}

/// Kills every process that `found` tells of until it tells of none, and returns how many there were.
pub(super) async fn end<F>(found: impl Fn() -> F) -> Result<usize, Error>
where
    F: Future<Output = Result<Vec<Pidfd>, Error>>,
{
    let mut killed = 0;
    for _ in 0..ROUNDS {
        let found = found().await?;
        if found.is_empty() {
            return Ok(killed);
        }
        killed += found.len();
        for process in &found {
            // It may be gone already.
            let _ = process.kill();
        }
        let gone = futures::future::join_all(found.into_iter().map(gone));
        let _ = tokio::time::timeout(PATIENCE, gone).await;
    }
    let left = found().await?.len();
    if left > 0 { Err(Error::Unswept { count: left }) } else { Ok(killed) }
}

/// Looks once through all processes for those that are somebody's by `whose`.
async fn look<K: Send + 'static>(
    whose: impl Fn(i32, &Stat) -> Option<K> + Send + 'static,
) -> Result<Vec<(K, Pidfd)>, Error> {
    tokio::task::spawn_blocking(move || find(&whose)).await.map_err(|_| Error::Closed)
}

async fn gone(process: Pidfd) {
    // One that cannot be waited for is met again in the next round.
    if let Ok(process) = process.watch() {
        process.ended().await;
    }
}

fn find<K>(whose: &impl Fn(i32, &Stat) -> Option<K>) -> Vec<(K, Pidfd)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let process = Pidfd::open(Pid::from_raw(pid)?).ok()?;
        let stat = stat(pid).filter(|stat| !matches!(stat.state, 'Z' | 'X'))?;
        Some((whose(pid, &stat)?, process))
    })
    .collect()
}

fn alive(identity: &Identity) -> bool {
    identity.boot == boot() && stat(identity.pid).is_some_and(|stat| stat.started == identity.started)
}

/// The mark in a process's environment. Environments of other users cannot be read: theirs are not ours.
fn mark(pid: i32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variables = environment.split(|byte| *byte == 0);
    let value = variables.filter_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")).next()?;
    String::from_utf8(value.to_vec()).ok()
}

/// Fields 3, 5 and 22 of proc(5). The second, the command's name, may hold blanks and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Stat { state, group, started })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_past_any_name() {
        let text = "42 (a) R (b c) S 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 10 18446744073709551615";
        assert_eq!(parse_stat(text), Some(Stat { state: 'S', group: 40, started: 98765 }));
        let own = stat(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.started > 0);
    }
}
