//! Room for what is on its way from one sender, in bytes, and why a message finds none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Too many messages to its receiver wait.
    #[error("{limit} messages to its receiver wait already")]
    Messages {
        /// How many may.
        limit: usize,
    },
    /// The sender's messages that are on their way have too many bytes.
    #[error("{} MiB of messages of its sender are on their way already", limit >> 20)]
    Bytes {
        /// How many they may have.
        limit: usize,
    },
    /// The sender's messages go to too many receivers at once.
    #[error("messages of its sender to {limit} other agents are on their way already")]
    Receivers {
        /// How many there may be.
        limit: usize,
    },
}

/// The bytes that may be on their way.
pub(super) struct Bytes {
    /// How many are.
    taken: Arc<AtomicUsize>,
    /// How many may be.
    limit: usize,
}

/// Room for the payload of one message, given back when it is dropped.
pub(super) struct Room {
    /// The bytes of all.
    taken: Arc<AtomicUsize>,
    /// The bytes of this one.
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Bytes {
    /// None taken yet, and at most `limit`.
    pub(super) fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    /// Takes room for a message.
    pub(super) fn take(&self, bytes: usize) -> Result<Room, Full> {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let room = Room { taken: Arc::clone(&self.taken), bytes };
        if taken > self.limit { Err(Full::Bytes { limit: self.limit }) } else { Ok(room) }
    }
}
