//! What waits for one incarnation: a bounded queue, and before it a bounded line of those who wait to get in.
//!
//! A `tell` is answered when it leaves the line for the queue: that is the backpressure. An `ask` is answered when it ends.
//! Deliveries leave in the order in which they came. The mailbox goes with its incarnation: what was never handed over is
//! then known to be undelivered.

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
/// - at most `capacity` deliveries are in the queue, and as many in the line;
/// - every `tell` in the queue has been acknowledged, and none in the line.
pub(crate) struct Mailbox {
    /// What waits.
    inner: Mutex<Inner>,
    /// Wakes the one who takes deliveries.
    filled: Notify,
    /// How many deliveries are in the queue at most.
    capacity: usize,
}

#[derive(Default)]
struct Inner {
    /// The queue, and from `capacity` on the line.
    deliveries: VecDeque<Delivery>,
    /// How many from the front are known to be in the queue.
    admitted: usize,
    /// Whether the incarnation has ended.
    closed: bool,
}

impl Mailbox {
    /// An empty one.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a mailbox holds something");
        Self { inner: Mutex::default(), filled: Notify::new(), capacity }
    }

    /// Puts `delivery` last, in the queue or in the line.
    pub(crate) fn push(&self, delivery: Delivery) -> Result<(), NotTaken> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(NotTaken::Closed);
        }
        if inner.deliveries.len() >= self.capacity {
            inner.drop_stale();
        }
        if inner.deliveries.len() >= 2 * self.capacity {
            return Err(NotTaken::Full);
        }
        inner.deliveries.push_back(delivery);
        inner.admit(self.capacity);
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
        while let Some(mut delivery) = inner.deliveries.pop_front() {
            inner.admitted = inner.admitted.saturating_sub(1);
            inner.admit(self.capacity);
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
    /// Acknowledges what has come from the line into the queue; what nobody waits for any longer is dropped instead.
    fn admit(&mut self, capacity: usize) {
        while self.admitted < capacity {
            let Some(delivery) = self.deliveries.get_mut(self.admitted) else { break };
            if delivery.content.kind == Kind::Tell && !delivery.is_told() && !delivery.end(Ending::Answer(Vec::new())) {
                self.deliveries.remove(self.admitted);
                continue;
            }
            self.admitted += 1;
        }
        debug_assert!(self.admitted <= capacity && self.deliveries.len() <= 2 * capacity, "queue and line are bounded");
    }

    /// Makes room: whoever sent these has given up on them, or will within the same moment.
    fn drop_stale(&mut self) {
        let now = Instant::now();
        let (queue, mut kept, mut place) = (self.admitted, 0, 0);
        self.deliveries.retain_mut(|delivery| {
            let stale = delivery.is_stale(now);
            if stale {
                delivery.end(Ending::DeadlineExceeded { delivered: false });
            }
            kept += usize::from(!stale && place < queue);
            place += 1;
            !stale
        });
        self.admitted = kept;
    }
}
