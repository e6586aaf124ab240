//! What this machine has and what of it is in use, for the view that its node gossips; and what it offers to agents.
//!
//! Of the cgroups that hold this process (version 2, or 1) the one with the least memory or processor time counts, where
//! that is less than the machine has. Everything is read from `/proc` and `/sys`, and nothing of it is relied on: what
//! cannot be read is shown as nothing.

mod cgroup;

use crate::failure::Failure;
use cgroup::Groups;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_proto::wire::Usage;

/// Measures; a closure, so that simulations can give their own.
pub type Meter = Arc<dyn Fn() -> Usage + Send + Sync>;

/// The share of a machine's memory that is offered to agents, in percent; the rest is the system's and the node's own.
const MEMORY_PERCENT: u64 = 80;
/// Microseconds in a tick of `/proc/stat`, a hundredth of a second.
const TICK_US: u64 = 10_000;
/// KiB and bytes in a MiB.
const KIB: u64 = 1024;
const BYTES: u64 = 1024 * 1024;

/// The machine, as this process sees it.
pub struct Machine {
    /// Where `/proc` and `/sys` are: `/`, but in tests.
    root: PathBuf,
    /// The data directory, whose disk counts.
    disk: PathBuf,
    /// Processor time in use when it was measured last, and when that was.
    last: Mutex<Option<Busy>>,
}

/// Processor time in use up to a moment.
#[derive(Clone, Copy, Debug)]
struct Busy {
    /// The moment.
    at: Duration,
    /// So much, microseconds.
    busy_us: u64,
}

/// The meter of this machine and of the disk that holds `data_dir`.
#[must_use]
pub fn meter(data_dir: &Path) -> Meter {
    let machine = Machine::new(Path::new("/"), data_dir);
    let begun = std::time::Instant::now();
    Arc::new(move || machine.measure(begun.elapsed()))
}

/// What this machine offers to agents: its memory less a fifth, and its processor time.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn allocatable() -> Result<Resources, Failure> {
    let usage = Machine::new(Path::new("/"), Path::new("/")).measure(Duration::ZERO);
    if usage.memory_total_mb == 0 || usage.cpu_total_millis == 0 {
        return Err(Failure::new(1, "MEMORY", "cannot measure this machine's memory and processors")
            .why("/proc/meminfo or /proc/stat cannot be read")
            .fix("mount /proc"));
    }
    // Processors that this process may not run on are none.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores_millis = 1_000 * u64::try_from(cores).unwrap_or(1);
    Ok(Resources {
        memory_mb: usage.memory_total_mb * MEMORY_PERCENT / 100,
        cpu_millis: usage.cpu_total_millis.min(cores_millis),
    })
}

impl Machine {
    fn new(root: &Path, disk: &Path) -> Self {
        Self { root: root.to_owned(), disk: disk.to_owned(), last: Mutex::new(None) }
    }

    /// What is in use at the moment `at`, and processor time since the moment before; none is known at the first.
    fn measure(&self, at: Duration) -> Usage {
        let groups = Groups::of(&self.root);
        let (memory_used_mb, memory_total_mb) = self.memory(&groups);
        let (busy_us, cpu_total_millis) = self.processors(&groups);
        let cpu_used_millis = self.since_last(Busy { at, busy_us }).min(cpu_total_millis);
        let (disk_used_mb, disk_total_mb) = self.disk();
        Usage { memory_used_mb, memory_total_mb, cpu_used_millis, cpu_total_millis, disk_used_mb, disk_total_mb }
    }

    /// Used and total, MiB.
    fn memory(&self, groups: &Groups) -> (u64, u64) {
        let text = self.read("proc/meminfo");
        let line = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let (total_kb, available_kb) = (line("MemTotal"), line("MemAvailable"));
        match groups.memory() {
            Some((used, limit)) if limit < total_kb * KIB => (used.min(limit) / BYTES, limit / BYTES),
            _ => (total_kb.saturating_sub(available_kb) / KIB, total_kb / KIB),
        }
    }

    /// Processor time in use so far, microseconds, and how much there is a second, thousandths of a core.
    fn processors(&self, groups: &Groups) -> (u64, u64) {
        let text = self.read("proc/stat");
        let is_core =
            |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let cores_millis = 1_000 * u64::try_from(text.lines().filter(is_core).count()).unwrap_or(0);
        match groups.processors() {
            Some((busy_us, millis)) if millis < cores_millis => (busy_us, millis),
            _ => {
                let all = text.lines().find_map(|line| line.strip_prefix("cpu "));
                let ticks = all.map(busy_ticks).unwrap_or(0);
                (ticks.saturating_mul(TICK_US), cores_millis)
            }
        }
    }

    fn since_last(&self, now: Busy) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = last.replace(now) else { return 0 };
        let passed_us = now.at.saturating_sub(before.at).as_micros();
        let busy_us = u128::from(now.busy_us.saturating_sub(before.busy_us));
        u64::try_from((busy_us * 1_000).checked_div(passed_us).unwrap_or(0)).unwrap_or(u64::MAX)
    }

    /// Used and total of the data directory's disk, MiB.
    fn disk(&self) -> (u64, u64) {
        let Ok(disk) = rustix::fs::statvfs(&self.disk) else { return (0, 0) };
        let mb = |blocks: u64| blocks.saturating_mul(disk.f_frsize) / BYTES;
        (mb(disk.f_blocks.saturating_sub(disk.f_bavail)), mb(disk.f_blocks))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }
}

/// What all processors were busy, in ticks: all but idle and waiting for a disk. (Guests are in user time already.)
fn busy_ticks(line: &str) -> u64 {
    let ticks = line.split_whitespace().map(|ticks| ticks.parse::<u64>().unwrap_or(0));
    ticks.take(8).enumerate().filter(|(place, _)| !matches!(place, 3 | 4)).map(|(_, ticks)| ticks).sum()
}

#[cfg(test)]
mod tests;
