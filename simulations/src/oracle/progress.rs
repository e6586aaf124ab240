//! Progress of a replica: what it has applied never falls. While it runs, each entry is behind the one before, and each state
//! that it shows is no older than the last one; a start begins with no less than the disk has, and a disk has no less than it
//! had at an earlier start.
//!
//! What a crash may take is what was not synced: by how much that moves a replica back is the disk's, and not judged.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// The property's memory.
#[derive(Default)]
pub struct Progress {
    /// How far each host is.
    hosts: BTreeMap<String, Reached>,
}

/// How far a host is.
#[derive(Default)]
struct Reached {
    /// What its disk had when it was opened last.
    saved: u64,
    /// The last entry applied since.
    applied: u64,
    /// The last state shown since.
    published: u64,
}

impl Oracle for Progress {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let host = &seen.host;
        let reached = self.hosts.entry(host.clone()).or_default();
        match &seen.event {
            Event::Opened { saved } => {
                let (saved, before) = (saved.unwrap_or(0), reached.saved);
                *reached = Reached { saved, applied: saved, published: saved };
                (saved >= before).then_some(()).ok_or_else(|| {
                    format!("progress: the disk of {host} has the state of {saved}, and had that of {before} before")
                })
            }
            Event::Applied { index, .. } => {
                let before = std::mem::replace(&mut reached.applied, *index);
                (*index > before)
                    .then_some(())
                    .ok_or_else(|| format!("progress: {host} has applied {index}, after {before}"))
            }
            Event::Published { index, .. } => {
                let before = std::mem::replace(&mut reached.published, *index);
                // An installed snapshot has entries in it that are never applied one by one.
                reached.applied = reached.applied.max(*index);
                (*index >= before)
                    .then_some(())
                    .ok_or_else(|| format!("progress: {host} shows the state of {index}, after that of {before}"))
            }
            _ => Ok(()),
        }
    }
}
