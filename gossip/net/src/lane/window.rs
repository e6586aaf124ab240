//! The window of a lane: how many requests of one group, and how many of their bytes, one connection may have open at the
//! peer. Both sides know it by the lane's version; a request takes of it when it is sent, and its answer returns that.

use super::{Lane, MAX_BODY};

/// What may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Requests.
    pub(crate) requests: usize,
    /// Bytes of their bodies.
    pub(crate) bytes: usize,
}

/// What is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Requests.
    requests: usize,
    /// Bytes of their bodies.
    bytes: usize,
}

/// Any window takes at least one of the longest requests, or nothing would ever be sent.
const _: () = {
    let mut index = 0;
    while index < Lane::ALL.len() {
        let window = Window::of(Lane::ALL[index]);
        assert!(window.requests > 0 && window.bytes >= MAX_BODY);
        index += 1;
    }
};

impl Window {
    /// The window of a lane.
    pub(crate) const fn of(lane: Lane) -> Self {
        match lane {
            // A pipeline of full shipments, and some.
            Lane::Append => Self { requests: 64, bytes: 16 << 20 },
            Lane::Heartbeat | Lane::Vote => Self { requests: 64, bytes: 2 << 20 },
            // Few and large: what is in flight is in memory at both ends.
            Lane::Snapshot => Self { requests: 8, bytes: 8 * MAX_BODY },
            Lane::Control => Self { requests: 1024, bytes: 16 << 20 },
            Lane::Message | Lane::Session => Self { requests: 256, bytes: 16 << 20 },
            // An answer may take as long as an agent takes: nothing that others need is behind one.
            Lane::Ask => Self { requests: 1024, bytes: 16 << 20 },
            // One at a time; the answers are what is large.
            Lane::Lines => Self { requests: 4, bytes: 2 << 20 },
        }
    }
}

impl Used {
    /// Whether one request more, of `bytes`, is within the window.
    pub(crate) fn has_room(&self, window: &Window, bytes: usize) -> bool {
        self.requests < window.requests && self.bytes + bytes <= window.bytes
    }

    /// Whether this much may be open.
    pub(crate) fn fits(&self, window: &Window) -> bool {
        self.requests <= window.requests && self.bytes <= window.bytes
    }

    /// One more.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes;
    }

    /// One less.
    pub(crate) fn remove(&mut self, bytes: usize) {
        self.requests = self.requests.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
