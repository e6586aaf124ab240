//! What the bus counts, since the host was started.

use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl Counters {
    /// What was counted so far.
    pub(crate) fn read(&self) -> Counts {
        Counts {
            messages_sent: self.messages_sent.get(),
            batches_sent: self.batches_sent.get(),
            messages_received: self.messages_received.get(),
            messages_attested: self.messages_attested.get(),
            sessions_unattested: self.sessions_unattested.get(),
        }
    }
}
