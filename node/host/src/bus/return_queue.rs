//! How messages of a session ended, on their way back to the node that opened it.

use crate::ending::Ending;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use symbi_proto::session::{Header, batch};
use symbi_proto::wire::FRAME_BYTES;
use symbi_proto::wire::message::AROUND_BYTES;
use tokio::time::Instant;

/// What the header, the seal and all else take of a frame for one answer, at most.
const SEAL_BYTES: usize = 4_096 + AROUND_BYTES;

/// How a message ended, on its way back.
pub(super) struct Return {
    /// Its header.
    pub(super) asked: Header,
    /// How it ended.
    pub(super) ending: Ending,
    /// How long its sender waits.
    pub(super) deadline: Instant,
}

/// What waits to go back.
///
/// Invariants:
/// - while anything waits, one task drives it.
#[derive(Default)]
pub(super) struct Returns {
    /// What waits. As many as messages of the session are in the mailbox, at most.
    inner: Mutex<(VecDeque<Return>, bool)>,
}

impl Returns {
    /// Adds one; whether the caller must drive.
    pub(super) fn push(&self, back: Return) -> bool {
        let mut inner = self.lock();
        inner.0.push_back(back);
        !std::mem::replace(&mut inner.1, true)
    }

    /// What one frame takes; none if nothing waits, and then nobody drives.
    pub(super) fn take(&self) -> Option<Vec<Return>> {
        let mut inner = self.lock();
        let (mut taken, mut bytes) = (Vec::new(), AROUND_BYTES);
        while let Some(next) = inner.0.front().filter(|_| taken.len() < batch::MESSAGES) {
            let length = if let Ending::Answer(payload) = &next.ending { payload.len() } else { 0 };
            bytes += length + SEAL_BYTES;
            if !taken.is_empty() && bytes > FRAME_BYTES {
                break;
            }
            taken.extend(inner.0.pop_front());
        }
        if taken.is_empty() {
            inner.1 = false;
            return None;
        }
        Some(taken)
    }

    /// Until when somebody waits for any of it.
    pub(super) fn until(&self) -> Option<Instant> {
        self.lock().0.iter().map(|back| back.deadline).max()
    }

    /// Gives all of it up; nobody drives any more.
    pub(super) fn give_up(&self) {
        let mut inner = self.lock();
        *inner = Default::default();
    }

    fn lock(&self) -> MutexGuard<'_, (VecDeque<Return>, bool)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
