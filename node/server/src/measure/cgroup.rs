//! The cgroups that hold this process: what they limit, and what is in use in the one that limits most.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories of the groups, from the process's own up to the root, for each thing that they count.
pub(super) struct Groups {
    /// Those that limit memory, and by which version's names.
    memory: (Version, Vec<PathBuf>),
    /// Those that limit processor time.
    processors: (Version, Vec<PathBuf>),
    /// Those that count processor time, where these are others.
    counted: Vec<PathBuf>,
}

/// Which version's file names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// One tree for each controller.
    One,
    /// One tree for all.
    Two,
}

impl Groups {
    /// As `root/proc/self/cgroup` lists them.
    pub(super) fn of(root: &Path) -> Self {
        let listed = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let mount = root.join("sys/fs/cgroup");
        let unified = listed.lines().find_map(|line| line.strip_prefix("0::"));
        let tree = |controller: &str| {
            let old = listed.lines().find_map(|line| {
                let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
                controllers.split(',').any(|one| one == controller).then_some((controllers, path))
            });
            match (old, unified) {
                // The controllers' directory, or the first one's where several are mounted together.
                (Some((controllers, path)), _) => {
                    let at = mount.join(controllers);
                    let at = if at.is_dir() { at } else { mount.join(controller) };
                    (Version::One, upwards(&at, path))
                }
                (None, Some(path)) => (Version::Two, upwards(&mount, path)),
                (None, None) => (Version::Two, Vec::new()),
            }
        };
        Self { memory: tree("memory"), processors: tree("cpu"), counted: tree("cpuacct").1 }
    }

    /// Memory in use and the limit, bytes, of the group with the lowest limit.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let (version, dirs) = &self.memory;
        let (limit, current, idle) = match version {
            Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.max", "memory.current", "inactive_file"),
        };
        let limits = dirs.iter().filter_map(|dir| Some((number(&dir.join(limit))?, dir)));
        let (limit, dir) = limits.min_by_key(|(limit, _)| *limit)?;
        let used = number(&dir.join(current)).unwrap_or(0);
        // What was read from files and is not in use is given back before anybody lacks memory.
        let idle = entry(&dir.join("memory.stat"), idle).unwrap_or(0);
        Some((used.saturating_sub(idle), limit))
    }

    /// Processor time used so far, microseconds, and the limit, thousandths of a core, of the group with the lowest limit.
    pub(super) fn processors(&self) -> Option<(u64, u64)> {
        let (version, dirs) = &self.processors;
        let limits = dirs.iter().enumerate().filter_map(|(level, dir)| {
            let (quota, period) = quota(*version, dir)?;
            Some((quota.saturating_mul(1_000).checked_div(period)?, level))
        });
        let (millis, level) = limits.min()?;
        let busy_us = match version {
            Version::Two => entry(&dirs[level].join("cpu.stat"), "usage_usec")?,
            Version::One => number(&self.counted.get(level)?.join("cpuacct.usage"))? / 1_000,
        };
        Some((busy_us, millis))
    }
}

/// Quota and period, microseconds, if there is a quota.
fn quota(version: Version, dir: &Path) -> Option<(u64, u64)> {
    match version {
        Version::One => Some((number(&dir.join("cpu.cfs_quota_us"))?, number(&dir.join("cpu.cfs_period_us"))?)),
        Version::Two => {
            let text = fs::read_to_string(dir.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            Some((quota.parse().ok()?, period.parse().ok()?))
        }
    }
}

/// The directory of `path` below `mount`, and all above it. In a container the path may be the host's: what is not there
/// is read as nothing.
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let below = path.trim_start_matches('/');
    let mut dirs: Vec<PathBuf> = Path::new(below).ancestors().map(|dir| mount.join(dir)).collect();
    dirs.dedup();
    dirs
}

/// The number that a file holds; none for `max`, `-1` and the like.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number behind a name in a file of such lines.
fn entry(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
