//! What can be done to the disks of hosts.

use super::World;
use crate::trace::Event;
use std::sync::atomic::Ordering;
use symbi_store::Error;
use symbi_store::memory::{Backup, Remains};

impl World {
    /// Lets a host's disk take nothing.
    pub fn stall(&mut self, at: usize) {
        self.fault(format!("stall {}", self.hosts[at].name));
        self.hosts[at].disk.stall();
    }

    /// Lets a host's disk go on.
    pub fn resume(&mut self, at: usize) {
        self.fault(format!("resume {}", self.hosts[at].name));
        self.hosts[at].disk.resume();
    }

    /// Leaves no room on a host's disk.
    pub fn fill(&mut self, at: usize) {
        self.fault(format!("fill {}", self.hosts[at].name));
        self.hosts[at].disk.fill();
    }

    /// Makes room on a host's disk again.
    pub fn free(&mut self, at: usize) {
        self.fault(format!("free {}", self.hosts[at].name));
        self.hosts[at].disk.free();
    }

    /// Lets the next sync or write of a host's disk fail.
    pub fn break_disk(&mut self, at: usize) {
        self.fault(format!("break {}", self.hosts[at].name));
        self.hosts[at].disk.fail_next(Error::Io("input/output error".to_owned()));
    }

    /// Leaves no room for a host's witness.
    pub fn mute(&mut self, at: usize) {
        self.fault(format!("mute {}", self.hosts[at].name));
        self.hosts[at].witness.fill();
    }

    /// Makes room for it again.
    pub fn unmute(&mut self, at: usize) {
        self.fault(format!("unmute {}", self.hosts[at].name));
        self.hosts[at].witness.free();
    }

    /// A copy of a host's disk.
    #[must_use]
    pub fn backup(&self, at: usize) -> Backup {
        self.fault(format!("copy the disk of {}", self.hosts[at].name));
        self.hosts[at].disk.backup()
    }

    /// Puts a copy back onto the disk of a host, which is down. What its witness has written is elsewhere, and stays.
    pub fn put_back(&mut self, at: usize, backup: Backup) {
        let host = &self.hosts[at];
        host.disk.put_back(backup);
        host.is_put_back.store(true, Ordering::Relaxed);
        host.recorder.tell_at(self.elapsed(), &host.name, Event::PutBack);
    }

    /// Whether appends of a host are on their way to its disk.
    #[must_use]
    pub fn in_flight(&self, at: usize) -> bool {
        self.hosts[at].disk.waiting() > 0
    }

    /// Takes from a host's disk what a power cut takes, and tells what became of what was in flight.
    pub(super) fn cut_power(&mut self, at: usize) {
        let Remains { kept, lost, torn } = self.hosts[at].disk.crash();
        self.hosts[at].witness.crash();
        self.failed[at] = false;
        let name = &self.hosts[at].name;
        let fates =
            [("in-flight", kept > 0 || lost > 0 || torn), ("kept", kept > 0), ("lost", lost > 0), ("torn", torn)];
        for (word, _) in fates.into_iter().filter(|(_, happened)| *happened) {
            self.fault(format!("{word} on the disk of {name}: {kept} records kept, {lost} lost, torn: {torn}"));
        }
    }

    /// Tells of disks that have failed since they were opened.
    pub(super) fn tell_failures(&mut self) {
        for at in 0..self.size() {
            let failure = self.hosts[at].disk.failure();
            let told = std::mem::replace(&mut self.failed[at], failure.is_some());
            if let (Some(error), false) = (failure, told) {
                self.fault(format!("failed the disk of {}: {error}", self.hosts[at].name));
            }
        }
    }
}
