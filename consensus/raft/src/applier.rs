//! openraft's state machine, for any [`Machine`]: it applies committed entries and keeps what the machine writes on disk.
//!
//! A chunk of entries becomes one atomic, unsynced write of its lines and, once in a while, of all rows that changed since
//! the last time and the last applied id. What a crash takes of it, the log gives again: the same rows, and the same lines
//! in the same places, which is held against what the crash has left of them.

use crate::disk::Disk;
use crate::disk::format::{self, Applied, LogId, Membership, SMALL};
use crate::disk::keys::Keys;
use crate::entry::Data;
use crate::error::{Error, storage};
use crate::lines::{Hole, Lines};
use crate::machine::{Builder, Capture, Generation, Generations, Image, Machine, Slot, Writes, load, local, store};
use crate::observer::Observer;
use crate::types::{self, Answer, Snapshot, SnapshotMeta, StoredMembership, Types};
use crate::work::Work;
use futures::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{EntryResponder, RaftStateMachine};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::codec;
use symbi_model::planted::{self, Defect};
use symbi_store::WriteBatch;
use tokio::sync::watch;
use tokio::time::Instant;

/// The most entries that are applied in one write.
const CHUNK: usize = 64;

/// openraft's handle of a group's replica.
pub type Raft<M> = openraft::Raft<Types, Applier<M>>;

/// How far the state machine is.
#[derive(Clone)]
pub struct Progress {
    /// The last entry applied.
    pub applied: Option<LogId>,
    /// The first entry applied of the highest term; none until one was applied since the start.
    pub term_start: Option<LogId>,
    /// The index of the last snapshot that was installed, at whatever start; none if none was. What is behind it was applied here.
    pub installed: Option<u64>,
    /// Where the rows are.
    pub generation: Arc<Generation>,
}

/// The state machine of one group.
///
/// Invariants:
/// - the rows on disk under `generation` are the state as of the id beside them; with those that the machine keeps back
///   they are the machine's state;
/// - the lines on disk are at least those of the state, but for the holes that installs have left, which are written with what makes
///   them; a state is published only after its lines were written, or its holes are known;
/// - no snapshot is ahead of the rows on disk, because the entries before it may be purged.
pub struct Applier<M: Machine> {
    /// The group's keys.
    keys: Keys,
    /// Gives generations for installs.
    generations: Arc<Generations>,
    /// What entries left behind.
    lines: Arc<Lines>,
    /// The last entry whose lines were on the disk at the start: up to there an entry may be applied once more.
    known: Option<u64>,
    /// The machine. After an error it may be ahead of what was published; nothing is applied to it any more then.
    machine: M,
    /// The last membership applied.
    membership: StoredMembership,
    /// How far it is; watched by the handle.
    progress: watch::Sender<Progress>,
    /// The state, as others see it.
    published: watch::Sender<M::Image>,
    /// The snapshot to send to those who are behind.
    current: Slot<M::Image>,
    /// The disk.
    engine: Disk,
    /// Where long work is done.
    work: Work,
    /// Told of each entry that is applied.
    observer: Observer,
}

impl<M: Machine> Applier<M> {
    /// Loads the machine's state from the disk.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::Recovery`] when the rows are not those that were saved. Nothing was deleted then.
    pub fn open(engine: Disk, keys: Keys, work: Work) -> Result<Self, Error> {
        let stored: Option<Applied> = match engine.get(&keys.applied()).map_err(storage)? {
            Some(bytes) => Some(codec::decode(&bytes, SMALL).map_err(storage)?),
            None => None,
        };
        let generation = stored.as_ref().map_or(0, |row| row.generation);
        let began = Instant::now();
        let image = load::<M::Loading>(&*engine, &keys, generation)?;
        tracing::info!(ms = began.elapsed().as_millis(), "the state was read from the disk");
        let Applied { last, membership, root, .. } = match stored {
            Some(row) => row,
            None => nothing::<M>()?,
        };
        if image.hash() != root {
            let index = last.map_or(0, |id| id.index);
            let reason = format!("the rows of its state are not those that were saved after entry {index}");
            return Err(Error::Recovery { reason });
        }
        let generations = Arc::new(Generations::open(&engine, keys, generation)?);
        let installed = engine.get(&keys.installed()).map_err(storage)?;
        let installed = installed.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let lines = Arc::new(Lines::open(&engine, keys)?);
        lines.check(&image, last.map_or(0, |id| id.index))?;
        let progress = Progress { applied: last, term_start: None, installed, generation: generations.first() };
        let applier = Self {
            keys,
            generations,
            known: lines.last(u64::MAX)?.map(|at| at.index),
            lines,
            published: watch::Sender::new(image.clone()),
            machine: M::of(image),
            membership: membership.into(),
            progress: watch::Sender::new(progress),
            current: Arc::new(Mutex::new(None)),
            engine,
            work,
            observer: Observer::default(),
        };
        if last.is_some() {
            store(&applier.current, applier.snapshot());
        }
        Ok(applier)
    }

    /// Has each entry told that is applied from now on.
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The state, after each chunk of entries.
    pub fn published(&self) -> watch::Receiver<M::Image> {
        self.published.subscribe()
    }

    /// How far it is.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Gives generations for installs.
    pub fn generations(&self) -> Arc<Generations> {
        self.generations.clone()
    }

    /// What entries left behind.
    pub fn lines(&self) -> Arc<Lines> {
        self.lines.clone()
    }

    fn apply_chunk(&mut self, chunk: Vec<io::Result<EntryResponder<Types>>>) -> io::Result<()> {
        let (mut batch, mut progress) = (WriteBatch::new(), self.progress.borrow().clone());
        let mut answers = Vec::new();
        for item in chunk {
            let (entry, responder) = item?;
            let answer = self.apply_entry(&entry, &mut progress, &mut batch)?;
            answers.extend(responder.map(|responder| (responder, answer)));
        }
        if self.machine.is_due() {
            self.save(&mut batch, &progress);
        }
        self.engine.write(batch).map_err(storage)?;
        self.publish(progress);
        for (responder, answer) in answers {
            responder.send(answer);
        }
        Ok(())
    }

    fn apply_entry(
        &mut self,
        entry: &types::Entry,
        progress: &mut Progress,
        batch: &mut WriteBatch,
    ) -> io::Result<Answer> {
        let id = LogId::from(&entry.log_id);
        let mut writes = Writes::new(batch, &self.keys, progress.generation.number(), id.index);
        if self.known.is_some_and(|known| id.index <= known) {
            writes = writes.again(&*self.engine);
        }
        let answer = self.machine.apply(&format::our_entry(entry), &mut writes)?;
        self.observer.applied(id.index, || self.machine.image().hash());
        if let EntryPayload::Membership(membership) = &entry.payload {
            self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
        }
        if progress.applied.is_none_or(|last| last.term < id.term) {
            progress.term_start = Some(id);
        }
        progress.applied = Some(id);
        Ok(Answer(Data(answer)))
    }

    /// Adds to `batch` the rows that are not on disk yet, and that with them all rows are the state as of `progress`.
    fn save(&mut self, batch: &mut WriteBatch, progress: &Progress) {
        let (generation, last) = (progress.generation.number(), progress.applied);
        self.machine.save(&mut Writes::new(batch, &self.keys, generation, last.map_or(0, |id| id.index)));
        let (membership, root) = (Membership::from(&self.membership), self.machine.image().hash());
        batch.put(self.keys.applied(), codec::encode(&Applied { generation, last, membership, root }));
    }

    /// The state first: who sees how far it is may rely on what it is.
    fn publish(&mut self, progress: Progress) {
        self.published.send_replace(self.machine.image());
        self.progress.send_replace(progress);
    }

    /// The state as it is now, as a snapshot.
    fn snapshot(&self) -> Snapshot<Capture<M::Image>> {
        let progress = self.progress.borrow().clone();
        let meta = SnapshotMeta {
            last_log_id: progress.applied.map(types::LogId::from),
            last_membership: self.membership.clone(),
        };
        let last = progress.applied.map_or(0, |id| id.index);
        Snapshot {
            meta,
            snapshot: Capture { image: self.machine.image().sent(), last, generation: progress.generation },
        }
    }
}

impl<M: Machine> RaftStateMachine<Types> for Applier<M> {
    type SnapshotData = Capture<M::Image>;
    type SnapshotBuilder = Builder<M::Image>;

    async fn applied_state(&mut self) -> io::Result<(Option<types::LogId>, StoredMembership)> {
        Ok((self.progress.borrow().applied.map(types::LogId::from), self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + Send,
    {
        let mut chunks = entries.ready_chunks(CHUNK);
        while let Some(chunk) = chunks.next().await {
            self.apply_chunk(chunk)?;
            // A long backlog must not keep this thread from heartbeats.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M::Image> {
        let (mut batch, progress) = (WriteBatch::new(), self.progress.borrow().clone());
        if !planted::active(Defect::PurgeBeforeSave) {
            self.save(&mut batch, &progress);
        }
        let saved = self.engine.write(batch).map_err(storage);
        Builder::new(saved.map(|()| self.snapshot()), self.current.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, capture: Capture<M::Image>) -> io::Result<()> {
        let capture = local::<M::Loading>(capture, &self.generations, &self.machine.image()).await?;
        let applied = meta.last_log_id.as_ref().map(LogId::from);
        let row = Applied {
            generation: capture.generation.number(),
            last: applied,
            membership: Membership::from(&meta.last_membership),
            root: capture.image.hash(),
        };
        let installed = applied.map_or(0, |id| id.index);
        let mut batch = WriteBatch::new();
        batch.put(self.keys.applied(), codec::encode(&row));
        batch.put(self.keys.installed(), installed.to_be_bytes());
        // The disk may make it the state, whatever becomes of this call. If it does not, the next start deletes it.
        capture.generation.keep();
        // The leader counts this replica as far as the snapshot from now on, so a crash must not take it back.
        let old = self.progress.borrow().clone();
        let (from, upto) = (old.applied.map_or(0, |id| id.index + 1), capture.last);
        let (before, after) = (self.machine.image().tip(), capture.image.tip());
        self.lines.skip(Hole { from, upto, before, after }, batch).await?;
        if old.generation.number() != capture.generation.number() {
            old.generation.retire();
        }
        let machine = std::mem::replace(&mut self.machine, M::of(capture.image));
        let progress = Progress {
            applied,
            term_start: old.term_start,
            installed: Some(installed),
            generation: capture.generation,
        };
        // Before the state is shown, so that whoever has seen that is told that it was not made here.
        self.progress.send_modify(|known| known.installed = progress.installed);
        let image = self.published.send_replace(self.machine.image());
        self.membership = meta.last_membership.clone();
        self.publish(progress);
        let held = self.current.lock().unwrap_or_else(PoisonError::into_inner).replace(self.snapshot());
        // Freeing a large state takes as long as loading one.
        self.work.run(move || drop((machine, image, held))).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<Capture<M::Image>>>> {
        Ok(self.current.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What is on a new disk.
fn nothing<M: Machine>() -> io::Result<Applied> {
    use crate::machine::Loading;
    let root = M::Loading::default().finish()?.hash();
    Ok(Applied { generation: 0, last: None, membership: Membership::default(), root })
}

#[cfg(test)]
mod tests;
