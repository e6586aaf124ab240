//! What waits for one incarnation: a queue bounded in messages and in bytes, and before it a line of those who wait to get in,
//! bounded alike. Beyond that a message is refused, and its sender told so.
//!
//! A `tell` is answered when it leaves the line for the queue: that is the backpressure. An `ask` is answered when it ends.
//! Deliveries leave in the order in which they came. The mailbox goes with its incarnation: what was never handed over is
//! then known to be undelivered.

use crate::bus::envelope::PAYLOAD_BYTES;
use crate::delivery::Delivery;
use crate::ending::Ending;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use symbi_proto::session::Kind;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Why a delivery was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Queue and line are full.
    Full,
    /// The incarnation has ended.
    Closed,
}

/// The mailbox.
///
/// Invariants:
/// - at most `capacity` deliveries of at most `bytes` are in the queue, and as many in the line;
/// - every `tell` in the queue has been acknowledged, and none in the line.
pub(crate) struct Mailbox {
    /// What waits.
    inner: Mutex<Inner>,
    /// Wakes the one who takes deliveries.
    filled: Notify,
    /// How much is in the queue at most.
    limit: Size,
}

/// How much there is of something that waits.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Deliveries.
    count: usize,
    /// The bytes of their payloads.
    bytes: usize,
}

impl Size {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }

    /// Whether one more of `bytes` is within `limit`.
    fn takes(self, bytes: usize, limit: Self) -> bool {
        self.count < limit.count && self.bytes + bytes <= limit.bytes
    }
}

#[derive(Default)]
struct Inner {
    /// The queue, and behind it the line.
    deliveries: VecDeque<Delivery>,
    /// How much there is of both.
    all: Size,
    /// How much from the front is known to be in the queue.
    admitted: Size,
    /// Whether the incarnation has ended.
    closed: bool,
}

impl Mailbox {
    /// An empty one, for so many deliveries of so many bytes.
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        assert!(count > 0 && bytes >= PAYLOAD_BYTES, "a mailbox holds any message");
        Self { inner: Mutex::default(), filled: Notify::new(), limit: Size { count, bytes } }
    }

    /// Puts `delivery` last, in the queue or in the line.
    pub(crate) fn push(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(NotTaken::Closed);
        }
        let bytes = delivery.bytes();
        if !inner.all.takes(bytes, self.limit) {
            inner.drop_stale();
        }
        let both = Size { count: 2 * self.limit.count, bytes: 2 * self.limit.bytes };
        if !inner.all.takes(bytes, both) {
            return Err(NotTaken::Full);
        }
        inner.all.add(bytes);
        inner.deliveries.push_back(delivery);
        inner.admit(self.limit);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    /// The next delivery whose time is not up; none once the mailbox is closed. For one caller.
    pub(crate) async fn pop(&self) -> Option<Delivery> {
        loop {
            if let Some(end) = self.try_pop() {
                return end;
            }
            self.filled.notified().await;
        }
    }

    fn try_pop(&self) -> Option<Option<Delivery>> {
        let mut inner = self.lock();
        if inner.closed {
            return Some(None);
        }
        while let Some(mut delivery) = inner.pop(self.limit) {
            if !delivery.is_stale(Instant::now()) {
                return Some(Some(delivery));
            }
            delivery.end(Ending::DeadlineExceeded { delivered: false });
        }
        None
    }

    /// Ends it: what was never handed over was not delivered.
    pub(crate) fn close(&self, reason: &str) {
        let deliveries = {
            let mut inner = self.lock();
            inner.closed = true;
            (inner.all, inner.admitted) = (Size::default(), Size::default());
            std::mem::take(&mut inner.deliveries)
        };
        for mut delivery in deliveries {
            delivery.end(Ending::NotDelivered { reason: reason.to_owned() });
        }
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the first out, and lets another into the queue for it.
    fn pop(&mut self, limit: Size) -> Option<Delivery> {
        let first = self.deliveries.pop_front()?;
        self.all.remove(first.bytes());
        // What is in the line only because of its length may be taken when the queue is empty.
        if self.admitted.count > 0 {
            self.admitted.remove(first.bytes());
        }
        self.admit(limit);
        Some(first)
    }

    /// Acknowledges what has come from the line into the queue; what nobody waits for any longer is dropped instead.
    fn admit(&mut self, limit: Size) {
        while let Some(delivery) = self.deliveries.get_mut(self.admitted.count) {
            let bytes = delivery.bytes();
            if !self.admitted.takes(bytes, limit) {
                break;
            }
            if delivery.content.kind == Kind::Tell && !delivery.is_told() && !delivery.end(Ending::Answer(Vec::new())) {
                self.deliveries.remove(self.admitted.count);
                self.all.remove(bytes);
                continue;
            }
            self.admitted.add(bytes);
        }
        debug_assert_eq!(self.all.count, self.deliveries.len(), "what waits is counted");
    }

    /// Makes room: whoever sent these has given up on them, or will within the same moment.
    fn drop_stale(&mut self) {
        let now = Instant::now();
        let (queue, mut all, mut admitted, mut place) = (self.admitted.count, Size::default(), Size::default(), 0);
        self.deliveries.retain_mut(|delivery| {
            let stale = delivery.is_stale(now);
            if stale {
                delivery.end(Ending::DeadlineExceeded { delivered: false });
            } else {
                all.add(delivery.bytes());
                if place < queue {
                    admitted.add(delivery.bytes());
                }
            }
            place += 1;
            !stale
        });
        (self.all, self.admitted) = (all, admitted);
    }
}
