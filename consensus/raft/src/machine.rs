//! The state machine: applies committed entries to the model's state, and keeps state and audit chain on disk.
//!
//! The state lives in memory as an image whose clone is O(1); a chunk of entries becomes one atomic, unsynced write of
//! its audit lines and, once in a while, of all rows that changed since the last time and the last applied id. What a crash
//! takes of it, the log gives again: the same rows, and the same lines in the same places.

use crate::disk::Disk;
use crate::disk::format::{self, Applied, LogId, Membership, SMALL};
use crate::disk::keys::Keys;
use crate::error::{Error, storage};
use crate::observer::Observer;
use crate::types::{Answer, Entry, SnapshotMeta, StoredMembership, Types};
use crate::{audit, types};
use futures::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::state::Row;
use symbi_model::{State, codec};
use symbi_store::WriteBatch;
use tokio::sync::watch;

mod filling;
pub mod frames;
pub mod generation;
mod rows;
mod snapshot;
mod unsaved;

pub use filling::Filling;
pub use generation::{Generation, Generations};
use rows::load;
use snapshot::Slot;
pub use snapshot::{Builder, Image};
use unsaved::Unsaved;

/// The most entries that are applied in one write.
const CHUNK: usize = 64;

/// How far the state machine is.
#[derive(Clone)]
pub struct Progress {
    /// The last entry applied.
    pub applied: Option<LogId>,
    /// The first entry applied of the highest term; none until one was applied since the start.
    pub term_start: Option<LogId>,
    /// Where the state's rows and the audit chain are.
    pub generation: Arc<Generation>,
}

/// The state machine of one group.
///
/// Invariants:
/// - the rows on disk under `generation` are the state as of the id beside them; with those in `unsaved` they are `state`;
/// - the audit lines on disk are at least those of `state`, and a state is published only after its lines were written;
/// - no snapshot is ahead of the rows on disk, because the entries before it may be purged.
pub struct Machine {
    /// The group's keys.
    keys: Keys,
    /// Gives generations for installs.
    generations: Arc<Generations>,
    /// The image.
    state: State,
    /// The rows of it that are not on disk yet.
    unsaved: Unsaved,
    /// The last membership applied.
    membership: StoredMembership,
    /// How far it is; watched by the handle.
    progress: watch::Sender<Progress>,
    /// The image, as others see it.
    published: watch::Sender<State>,
    /// The snapshot to send to those who are behind.
    current: Slot,
    /// The disk.
    engine: Disk,
    /// Told of each entry that is applied.
    observer: Observer,
}

impl Machine {
    /// Loads the image from the disk.
    ///
    /// # Errors
    /// [`Error::Storage`]; [`Error::Recovery`] when the rows are not those that were saved. Nothing was deleted then.
    pub fn open(engine: Disk, keys: Keys) -> Result<Self, Error> {
        let stored: Option<Applied> = match engine.get(&keys.applied()).map_err(storage)? {
            Some(bytes) => Some(codec::decode(&bytes, SMALL).map_err(storage)?),
            None => None,
        };
        let Applied { generation, last, membership, root } = stored.unwrap_or_else(nothing);
        let state = load(&*engine, &keys, generation)?;
        if state.hash() != root {
            let index = last.map_or(0, |id| id.index);
            let reason = format!("the rows of its state are not those that were saved after entry {index}");
            return Err(Error::Recovery { reason });
        }
        let generations = Arc::new(Generations::open(&engine, keys, generation)?);
        let progress = Progress { applied: last, term_start: None, generation: generations.first() };
        let machine = Self {
            keys,
            generations,
            published: watch::Sender::new(state.clone()),
            state,
            unsaved: Unsaved::default(),
            membership: membership.into(),
            progress: watch::Sender::new(progress),
            current: Arc::new(Mutex::new(None)),
            engine,
            observer: Observer::default(),
        };
        if last.is_some() {
            snapshot::store(&machine.current, machine.snapshot());
        }
        Ok(machine)
    }

    /// Has each entry told that is applied from now on.
    pub fn observed_by(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The state, after each chunk of entries.
    pub fn published(&self) -> watch::Receiver<State> {
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

    fn apply_chunk(&mut self, chunk: Vec<io::Result<EntryResponder<Types>>>) -> io::Result<()> {
        let mut step = Step::of(self);
        for item in chunk {
            let (entry, responder) = item?;
            step.apply(&self.keys, &entry, responder)?;
            self.observer.applied(entry.log_id.index, &step.state);
        }
        step.rows.into_iter().for_each(|rows| self.unsaved.take(rows));
        self.membership = step.membership;
        if self.unsaved.is_due() {
            self.save(&mut step.batch, &step.state, &step.progress);
        }
        self.engine.write(step.batch).map_err(storage)?;
        self.publish(step.state, step.progress);
        for (responder, answer) in step.answers {
            responder.send(answer);
        }
        Ok(())
    }

    /// Adds to `batch` the rows that are not on disk yet, and that with them all rows are `state` as of `progress`.
    fn save(&mut self, batch: &mut WriteBatch, state: &State, progress: &Progress) {
        let generation = progress.generation.number();
        self.unsaved.save(batch, &self.keys, generation);
        let (last, membership) = (progress.applied, Membership::from(&self.membership));
        let row = Applied { generation, last, membership, root: state.hash() };
        batch.put(self.keys.applied(), codec::encode(&row));
    }

    fn publish(&mut self, state: State, progress: Progress) {
        self.state = state;
        self.progress.send_replace(progress);
        self.published.send_replace(self.state.clone());
    }

    /// The state as it is now, as a snapshot.
    fn snapshot(&self) -> snapshot::Snapshot {
        let progress = self.progress.borrow().clone();
        let meta = SnapshotMeta {
            last_log_id: progress.applied.map(types::LogId::from),
            last_membership: self.membership.clone(),
        };
        let last = progress.applied.map_or(0, |id| id.index);
        snapshot::Snapshot {
            meta,
            snapshot: Image { state: self.state.clone(), last, generation: progress.generation },
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Image;
    type SnapshotBuilder = Builder;

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

    async fn get_snapshot_builder(&mut self) -> Builder {
        let (mut batch, state, progress) = (WriteBatch::new(), self.state.clone(), self.progress.borrow().clone());
        self.save(&mut batch, &state, &progress);
        let saved = self.engine.write(batch).map_err(storage);
        Builder::new(saved.map(|()| self.snapshot()), self.current.clone())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, image: Image) -> io::Result<()> {
        let image = image.local(&self.generations).await?;
        let applied = meta.last_log_id.as_ref().map(LogId::from);
        let row = Applied {
            generation: image.generation.number(),
            last: applied,
            membership: Membership::from(&meta.last_membership),
            root: image.state.hash(),
        };
        let mut batch = WriteBatch::new();
        batch.put(self.keys.applied(), codec::encode(&row));
        // The disk may make it the state, whatever becomes of this call. If it does not, the next start deletes it.
        image.generation.keep();
        // The leader counts this replica as far as the snapshot from now on, so a crash must not take it back.
        self.generations.sync(batch).await?;
        let old = self.progress.borrow().clone();
        if old.generation.number() != image.generation.number() {
            old.generation.retire();
        }
        self.unsaved = Unsaved::default();
        self.membership = meta.last_membership.clone();
        let progress = Progress { applied, term_start: old.term_start, generation: image.generation };
        self.publish(image.state, progress);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.snapshot());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<snapshot::Snapshot>> {
        Ok(self.current.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A chunk of entries while it is applied.
struct Step {
    /// The state so far.
    state: State,
    /// The membership so far.
    membership: StoredMembership,
    /// How far it is.
    progress: Progress,
    /// The audit lines, to be written.
    batch: WriteBatch,
    /// The rows that each entry has changed.
    rows: Vec<Vec<Row>>,
    /// Whom to answer once it is written.
    answers: Vec<(ApplyResponder<Types>, Answer)>,
}

impl Step {
    fn of(machine: &Machine) -> Self {
        Self {
            state: machine.state.clone(),
            membership: machine.membership.clone(),
            progress: machine.progress.borrow().clone(),
            batch: WriteBatch::new(),
            rows: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn apply(&mut self, keys: &Keys, entry: &Entry, responder: Option<ApplyResponder<Types>>) -> io::Result<()> {
        let applied = symbi_model::apply(&mut self.state, &format::model_entry(entry));
        if let Some(error) = applied.error {
            // A replica that skipped what it cannot read would differ from the others from here on.
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        let generation = self.progress.generation.number();
        audit::put(&mut self.batch, keys, generation, &applied);
        self.rows.push(applied.rows);
        let id = LogId::from(&entry.log_id);
        if let EntryPayload::Membership(membership) = &entry.payload {
            self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
        }
        if self.progress.applied.is_none_or(|last| last.term < id.term) {
            self.progress.term_start = Some(id);
        }
        self.progress.applied = Some(id);
        if let Some(responder) = responder {
            self.answers.push((responder, Answer(applied.outcomes)));
        }
        Ok(())
    }
}

/// What is on a new disk.
fn nothing() -> Applied {
    Applied { generation: 0, last: None, membership: Membership::default(), root: State::default().hash() }
}

#[cfg(test)]
mod tests;
