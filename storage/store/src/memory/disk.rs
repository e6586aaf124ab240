//! The disk of the memory engine: its volatile and durable content, the batches between them, and the faults it is told to have.

use super::content::{Content, SharedOp, share};
use crate::engine::OnDurable;
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory, which outlives the hosts that open it.
///
/// The volatile content is what a running host reads; the durable one is what a crash leaves. A sync brings the second up
/// to the first.
///
/// Invariants:
/// - the durable content with the unsynced operations applied is the volatile content;
/// - batches wait only while the disk is stalled;
/// - callbacks are called outside the lock, one at a time, in the order of their batches.
pub struct Disk {
    /// Everything, under one lock.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// What a running host reads.
    volatile: Content,
    /// What a crash leaves.
    durable: Content,
    /// What the volatile content has and the durable one has not, in order.
    unsynced: Vec<SharedOp>,
    /// Appended while stalled, in order.
    waiting: VecDeque<(Vec<SharedOp>, OnDurable)>,
    /// Callbacks that are due, in order.
    due: VecDeque<(OnDurable, Result<(), Error>)>,
    /// Whether some thread is calling the due callbacks.
    calling: bool,
    /// Whether appends wait.
    stalled: bool,
    /// The failure that the next append or write will meet.
    injected: Option<Error>,
    /// The failure that the open engine has met; it refuses everything but reads from then on.
    failed: Option<Error>,
    /// How often the disk was opened; a handle of an earlier opening is closed.
    session: u64,
    /// Whether it is open.
    open: bool,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default() })
    }

    /// A power cut: whatever was not synced is gone, the engine that is open answers `Closed` from now on, and callbacks
    /// that are on their way are never called. A stall ends.
    pub fn crash(&self) {
        let lost = {
            let mut inner = self.lock();
            inner.volatile = inner.durable.clone();
            inner.unsynced.clear();
            inner.open = false;
            inner.session += 1;
            inner.stalled = false;
            inner.injected = None;
            let due = std::mem::take(&mut inner.due).into_iter().map(|(callback, _)| callback);
            let waiting = std::mem::take(&mut inner.waiting).into_iter().map(|(_, callback)| callback);
            due.chain(waiting).collect::<Vec<_>>()
        };
        // Outside the lock: what a callback owns may, when dropped, come back here.
        drop(lost);
    }

    /// From now on appended batches wait, unreadable and not called back. Writes and reads go on.
    pub fn stall(&self) {
        self.lock().stalled = true;
    }

    /// Ends a stall: what waits is carried out in order.
    pub fn resume(&self) {
        let mut inner = self.lock();
        inner.stalled = false;
        while let Some((ops, on_durable)) = inner.waiting.pop_front() {
            inner.carry_out(ops, on_durable);
        }
        self.call_due(inner);
    }

    /// How many batches wait for the end of a stall.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lets the next append or write fail, and with it everything but reads until the disk is opened again.
    pub fn fail_next(&self, error: Error) {
        self.lock().injected = Some(error);
    }

    /// The failure that the open engine has met.
    pub(super) fn failure(&self) -> Option<Error> {
        self.lock().failed.clone()
    }

    /// Opens it, and says which opening this is.
    pub(super) fn open(&self) -> Result<u64, Error> {
        let mut inner = self.lock();
        if inner.open {
            return Err(Error::InUse { path: "the disk in memory".to_owned() });
        }
        inner.open = true;
        inner.failed = None;
        inner.session += 1;
        Ok(inner.session)
    }

    /// Closes it, if it is still this opening. What was written stays, unsynced; what waits is refused.
    pub(super) fn close(&self, session: u64) {
        let mut inner = self.lock();
        if inner.session != session {
            return;
        }
        inner.open = false;
        let waiting = std::mem::take(&mut inner.waiting);
        inner.due.extend(waiting.into_iter().map(|(_, on_durable)| (on_durable, Err(Error::Closed))));
        self.call_due(inner);
    }

    pub(super) fn append(&self, session: u64, batch: WriteBatch, on_durable: OnDurable) {
        let mut inner = self.lock();
        if let Err(error) = inner.admit(session) {
            inner.due.push_back((on_durable, Err(error)));
        } else if inner.stalled {
            inner.waiting.push_back((share(batch), on_durable));
        } else {
            inner.carry_out(share(batch), on_durable);
        }
        self.call_due(inner);
    }

    pub(super) fn write(&self, session: u64, batch: WriteBatch) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.admit(session)?;
        inner.meet_injected()?;
        inner.take_in(share(batch));
        Ok(())
    }

    pub(super) fn read<T>(&self, session: u64, read: impl FnOnce(&Content) -> T) -> Result<T, Error> {
        let inner = self.lock();
        if inner.session != session {
            return Err(Error::Closed);
        }
        Ok(read(&inner.volatile))
    }

    /// Calls what is due, unless another call (on this thread or another) is at it and will get to these as well.
    fn call_due<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) {
        if inner.calling {
            return;
        }
        inner.calling = true;
        while let Some((on_durable, result)) = inner.due.pop_front() {
            drop(inner);
            on_durable(result);
            inner = self.lock();
        }
        inner.calling = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is a failed test; both contents are whole at every point where one could happen.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn admit(&self, session: u64) -> Result<(), Error> {
        if self.session != session || !self.open {
            return Err(Error::Closed);
        }
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn meet_injected(&mut self) -> Result<(), Error> {
        let Some(error) = self.injected.take() else { return Ok(()) };
        self.failed = Some(error.clone());
        Err(error)
    }

    fn take_in(&mut self, ops: Vec<SharedOp>) {
        self.volatile.apply(&ops);
        self.unsynced.extend(ops);
    }

    /// Writes and syncs one appended batch, or fails it.
    fn carry_out(&mut self, ops: Vec<SharedOp>, on_durable: OnDurable) {
        let failed = self.failed.clone().map_or(Ok(()), Err);
        let result = failed.and_then(|()| self.meet_injected()).map(|()| {
            self.take_in(ops);
            self.durable.apply(&std::mem::take(&mut self.unsynced));
        });
        self.due.push_back((on_durable, result));
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        formatter
            .debug_struct("Disk")
            .field("open", &inner.open)
            .field("stalled", &inner.stalled)
            .field("unsynced", &inner.unsynced.len())
            .field("waiting", &inner.waiting.len())
            .finish_non_exhaustive()
    }
}
