//! The disk of the memory engine: its volatile and durable content, the batches between them, and the faults it is told to
//! have.

use super::content::{Content, share};
use super::in_flight::{self, Record, Remains, Waiting};
use crate::draw::{Cut, Draw};
use crate::engine::{OnDurable, Pair};
use crate::error::Error;
use crate::write_batch::WriteBatch;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Called when an append begins to wait.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// A disk in memory, which outlives the hosts that open it.
///
/// The volatile content is what a running host reads; the durable one is what a crash is sure to leave. A sync brings the
/// second up to the first.
///
/// Invariants:
/// - the durable content with the unsynced writes applied is the volatile content;
/// - appends wait only while the disk is stalled or delayed;
/// - callbacks are called outside the lock, one at a time, in the order of their batches;
/// - after a failure nothing waits, and nothing is taken in until the next opening.
pub struct Disk {
    /// Everything, under one lock.
    inner: Mutex<Inner>,
}

/// A copy of what was on a disk at some time.
#[derive(Clone, Debug)]
pub struct Backup(Content);

#[derive(Default)]
struct Inner {
    /// What a running host reads.
    volatile: Content,
    /// What a crash is sure to leave.
    durable: Content,
    /// Writes that the volatile content has and the durable one has not, in order.
    unsynced: Vec<Record>,
    /// Appended and not synced, in order.
    waiting: VecDeque<Waiting<OnDurable>>,
    /// What failed, in order: a crash, or the next opening, says whether it is there.
    doubtful: Vec<Record>,
    /// Callbacks that are due, in order.
    due: VecDeque<(OnDurable, Result<(), Error>)>,
    /// Whether some thread is calling the due callbacks.
    calling: bool,
    /// Whether appends wait for the end of a stall.
    stalled: bool,
    /// Whether appends wait for a [`Disk::sync`], and who is told that one does.
    delayed: Option<Wake>,
    /// Whether there is no room.
    full: bool,
    /// The failure that the next sync or write will meet.
    injected: Option<Error>,
    /// The failure that the open engine has met; it refuses everything but reads from then on.
    failed: Option<Error>,
    /// How often the disk was opened; a handle of an earlier opening is closed.
    session: u64,
    /// Whether it is open.
    open: bool,
    /// From where it is drawn what becomes of what was not synced.
    draw: Option<Draw>,
}

impl Disk {
    /// An empty disk, of which a crash takes everything that was not synced.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default() })
    }

    /// An empty disk, of which a crash takes as much of what was not synced as it draws from a seed: none, all, or what is
    /// behind any byte.
    #[must_use]
    pub fn seeded(seed: u64) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { draw: Some(Draw::new(seed)), ..Inner::default() }) })
    }

    /// A power cut: the engine that is open answers `Closed` from now on, and callbacks that are on their way are never
    /// called. A stall ends; a disk that is full stays so. Answers what became of what was not synced.
    pub fn crash(&self) -> Remains {
        let cut = self.lock().draw.as_mut().map_or(Cut::Before, Cut::drawn);
        self.crash_at(cut)
    }

    /// A crash that leaves the first `part` of `of` equal parts of the bytes that were not synced, to the byte.
    ///
    /// # Panics
    /// When there are no parts, or fewer than it is to leave.
    pub fn crash_keeping(&self, part: u64, of: u64) -> Remains {
        assert!(of > 0 && part <= of, "{part} of {of} parts");
        self.crash_at(Cut::Behind(part, of))
    }

    fn crash_at(&self, cut: Cut) -> Remains {
        let (lost, remains) = {
            let mut inner = self.lock();
            let waiting = std::mem::take(&mut inner.waiting);
            let (waiting, callbacks): (VecDeque<_>, Vec<_>) = waiting.into_iter().map(Waiting::split).unzip();
            let unsynced = std::mem::take(&mut inner.unsynced);
            let mut records = in_flight::order(unsynced, waiting, inner.draw.as_mut());
            records.append(&mut inner.doubtful);
            let (kept, remains) = in_flight::cut(records, cut);
            kept.iter().for_each(|record| inner.durable.apply(&record.ops));
            inner.volatile = inner.durable.clone();
            inner.open = false;
            inner.session += 1;
            inner.stalled = false;
            inner.delayed = None;
            inner.injected = None;
            let due = std::mem::take(&mut inner.due).into_iter().map(|(callback, _)| callback);
            (due.chain(callbacks).collect::<Vec<_>>(), remains)
        };
        // Outside the lock: what a callback owns may, when dropped, come back here.
        drop(lost);
        remains
    }

    /// From now on appended batches wait, unreadable and not called back. Writes and reads go on.
    pub fn stall(&self) {
        self.lock().stalled = true;
    }

    /// Ends a stall: what waits is carried out in order, or, on a delayed disk, `wake` is called.
    pub fn resume(&self) {
        self.lock().stalled = false;
        match self.wake() {
            Some(wake) => wake(),
            None => self.sync(),
        }
    }

    /// From now on, and until a crash, appended batches wait for a [`Disk::sync`], and `wake` is called when one does.
    pub fn delay(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.lock().delayed = Some(Arc::new(wake));
    }

    /// Carries out in order what waits, unless the disk is stalled.
    pub fn sync(&self) {
        let mut inner = self.lock();
        inner.sync();
        self.call_due(inner);
    }

    /// How many batches wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Lets the next sync or write fail, and with it everything but reads until the disk is opened again.
    pub fn fail_next(&self, error: Error) {
        self.lock().injected = Some(error);
    }

    /// From now on there is no room: every sync and write fails, whoever opens the disk.
    pub fn fill(&self) {
        self.lock().full = true;
    }

    /// There is room again.
    pub fn free(&self) {
        self.lock().full = false;
    }

    /// The pair with the highest key from `from` up to, and without, `to`, of what no crash can take.
    #[must_use]
    pub fn last_durable(&self, from: &[u8], to: &[u8]) -> Option<Pair> {
        self.lock().durable.last(from, to)
    }

    /// A copy of what no crash can take now.
    #[must_use]
    pub fn backup(&self) -> Backup {
        Backup(self.lock().durable.clone())
    }

    /// Puts a copy in place of everything that is there.
    ///
    /// # Panics
    /// When it is open.
    pub fn put_back(&self, backup: Backup) {
        let mut inner = self.lock();
        assert!(!inner.open, "a disk is put back into a machine that is off");
        inner.unsynced.clear();
        inner.doubtful.clear();
        inner.volatile = backup.0.clone();
        inner.durable = backup.0;
    }

    /// The failure that the open engine has met.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.lock().failed.clone()
    }

    /// Opens it, and says which opening this is.
    pub(super) fn open(&self) -> Result<u64, Error> {
        let mut inner = self.lock();
        if inner.open {
            return Err(Error::InUse { path: "the disk in memory".to_owned() });
        }
        inner.decide();
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
        inner.refuse(&Error::Closed);
        self.call_due(inner);
    }

    pub(super) fn append(&self, session: u64, batch: WriteBatch, on_durable: OnDurable) {
        let mut inner = self.lock();
        match inner.admit(session) {
            Err(error) => inner.due.push_back((on_durable, Err(error))),
            Ok(()) => {
                let after = inner.unsynced.len();
                inner.waiting.push_back(Waiting { record: Record { ops: share(batch) }, after, on_durable });
                if let Some(wake) = inner.delayed.clone() {
                    drop(inner);
                    return wake();
                }
                inner.sync();
            }
        }
        self.call_due(inner);
    }

    pub(super) fn write(&self, session: u64, batch: WriteBatch) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.admit(session)?;
        let record = Record { ops: share(batch) };
        if let Err(error) = inner.meet_failure() {
            inner.doubtful.push(record);
            self.call_due(inner);
            return Err(error);
        }
        inner.volatile.apply(&record.ops);
        inner.unsynced.push(record);
        Ok(())
    }

    pub(super) fn read<T>(&self, session: u64, read: impl FnOnce(&Content) -> T) -> Result<T, Error> {
        let inner = self.lock();
        if inner.session != session {
            return Err(Error::Closed);
        }
        Ok(read(&inner.volatile))
    }

    fn wake(&self) -> Option<Wake> {
        self.lock().delayed.clone()
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

    fn meet_failure(&mut self) -> Result<(), Error> {
        let Some(error) = self.injected.take().or_else(|| self.full.then_some(Error::Full)) else { return Ok(()) };
        self.failed = Some(error.clone());
        // What waits would come behind what failed.
        self.refuse(&error);
        Err(error)
    }

    /// Refuses what waits; it may be there later all the same.
    fn refuse(&mut self, error: &Error) {
        for Waiting { record, on_durable, .. } in std::mem::take(&mut self.waiting) {
            self.doubtful.push(record);
            self.due.push_back((on_durable, Err(error.clone())));
        }
    }

    /// Writes and syncs what waits, in one go, or fails it.
    fn sync(&mut self) {
        if self.stalled || self.waiting.is_empty() || self.meet_failure().is_err() {
            return;
        }
        for record in std::mem::take(&mut self.unsynced) {
            self.durable.apply(&record.ops);
        }
        for Waiting { record, on_durable, .. } in std::mem::take(&mut self.waiting) {
            self.volatile.apply(&record.ops);
            self.durable.apply(&record.ops);
            self.due.push_back((on_durable, Ok(())));
        }
    }

    /// Decides what is there of what an earlier opening was refused, no crash having done so.
    fn decide(&mut self) {
        let doubtful = std::mem::take(&mut self.doubtful);
        if doubtful.is_empty() {
            return;
        }
        let cut = self.draw.as_mut().map_or(Cut::Before, Cut::drawn);
        for record in in_flight::cut(doubtful, cut).0 {
            self.volatile.apply(&record.ops);
            self.unsynced.push(record);
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        formatter
            .debug_struct("Disk")
            .field("open", &inner.open)
            .field("stalled", &inner.stalled)
            .field("full", &inner.full)
            .field("unsynced", &inner.unsynced.len())
            .field("waiting", &inner.waiting.len())
            .finish_non_exhaustive()
    }
}
