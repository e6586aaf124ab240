//! What the network refused or lost, counted; the first of each kind is logged loudly, the others quietly.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters at one moment, each from zero at the start of the node.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        /// The counters themselves.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter,)* }

        impl Counters {
            /// All of them, now.
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Handshakes that failed: garbage on the port, another protocol, a peer that went away.
    handshakes_failed,
    /// Connections refused by a limit.
    connections_refused,
    /// Connections closed because the peer fell silent.
    peers_silent,
    /// Strangers' connections closed because they had lasted as long as they may.
    strangers_expired,
    /// Dials that failed.
    dials_failed,
    /// Dials that reached another node than the one expected there.
    wrong_peers,
    /// Oversized or truncated frames on a lane; each closed its connection.
    bad_frames,
    /// Oversized or unreadable bodies on the join protocol; each closed its connection.
    bad_joins,
    /// Join calls refused because 32 were waiting.
    joins_full,
    /// Calls refused because the queue of their lane and group was full.
    queues_full,
    /// Frames on a lane of a kind, or for a group, that is not known here.
    frames_unsupported,
    /// Requests dropped because their sender had its window of that lane and group open already.
    windows_exceeded,
    /// Calls that ended at their deadline.
    calls_timed_out,
    /// Gossip that was no member's, or not signed by whom it named.
    gossip_refused,
    /// Gossip dropped because nobody took it, or too long to publish.
    gossip_dropped,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// One more; true if it is the first, which is the one to warn about.
    pub(crate) fn add(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) == 0
    }
}
