//! What the bus counts, since the host was started.

use std::sync::atomic::{AtomicU64, Ordering};
use symbi_proto::wire::message::Parting;

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `more`.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Messages and answers sealed.
    pub(crate) messages_sent: Counter,
    /// Batches signed.
    pub(crate) batches_sent: Counter,
    /// Messages and answers opened.
    pub(crate) messages_received: Counter,
    /// Those of them whose batch was verified.
    pub(crate) messages_attested: Counter,
    /// Sessions closed because their other side's messages were not attested in time, or wrongly.
    pub(crate) sessions_unattested: Counter,
    /// Sessions that their other side was the first to keep no longer, by [`Parting`].
    sessions_parted: [Counter; 4],
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages and answers sealed for other nodes.
    pub messages_sent: u64,
    /// Batches of them signed.
    pub batches_sent: u64,
    /// Messages and answers of other nodes opened.
    pub messages_received: u64,
    /// Those of them whose batch was verified.
    pub messages_attested: u64,
    /// Sessions closed because their other side's messages were not attested in time, or wrongly.
    pub sessions_unattested: u64,
    /// Sessions that their other side was the first to keep no longer, because nothing used them there.
    pub parted_unused: u64,
    /// The same, because their receiver has ended there.
    pub parted_ended: u64,
    /// The same, because what was sent from here was not attested in time, or wrongly.
    pub parted_unattested: u64,
    /// The same, because that node stops.
    pub parted_stopping: u64,
}

impl Counters {
    /// The other side of a session keeps it no longer.
    pub(crate) fn parted(&self, why: Parting) {
        self.sessions_parted[why as usize].add(1);
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Counts {
        let parted = |why: Parting| self.sessions_parted[why as usize].get();
        Counts {
            messages_sent: self.messages_sent.get(),
            batches_sent: self.batches_sent.get(),
            messages_received: self.messages_received.get(),
            messages_attested: self.messages_attested.get(),
            sessions_unattested: self.sessions_unattested.get(),
            parted_unused: parted(Parting::Unused),
            parted_ended: parted(Parting::Ended),
            parted_unattested: parted(Parting::Unattested),
            parted_stopping: parted(Parting::Stopping),
        }
    }
}
