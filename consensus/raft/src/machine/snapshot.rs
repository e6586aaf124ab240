//! A snapshot: a clone of the state, which is O(1), and the audit chain up to its head, which is only ever appended to.

use super::{Filling, Generation, Generations, frames};
use crate::types::Types;
use openraft::RaftSnapshotBuilder;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::State;

/// A snapshot with what openraft wants to know of it.
pub type Snapshot = openraft::type_config::alias::SnapshotOf<Types, Image>;
/// Where the newest snapshot is kept.
pub type Slot = Arc<Mutex<Option<Snapshot>>>;

/// The state at one index, and where the audit chain up to there is.
#[derive(Clone)]
pub struct Image {
    /// The state.
    pub state: State,
    /// The index of the last entry in it.
    pub last: u64,
    /// Where the audit chain is.
    pub generation: Arc<Generation>,
}

impl Image {
    /// What a copy must come to.
    pub fn header(&self) -> frames::Header {
        let counters = &self.state.counters;
        frames::Header { root: self.state.hash(), head: counters.audit_head, records: counters.audit_records }
    }

    /// Its rows and audit lines in frames.
    pub fn frames(&self) -> frames::Frames {
        frames::Frames::of(self)
    }

    /// The same on the disk of `generations`: itself if it is there already, as when it came over the wire.
    pub(super) async fn local(self, generations: &Generations) -> io::Result<Self> {
        if generations.owns(&self.generation) {
            return Ok(self);
        }
        let mut filling = Filling::new(generations.next().await?, self.header());
        for frame in self.frames() {
            filling.take(frame?)?;
        }
        filling.finish(self.last)
    }
}

/// Makes a snapshot out of what was the state when this was made.
pub struct Builder {
    /// The snapshot, until it is built; or why nothing may be let go for it.
    snapshot: Option<io::Result<Snapshot>>,
    /// Where it goes.
    slot: Slot,
}

impl Builder {
    /// A builder of this snapshot; of none when the state could not be saved.
    pub(super) fn new(snapshot: io::Result<Snapshot>, slot: Slot) -> Self {
        Self { snapshot: Some(snapshot), slot }
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Image;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let snapshot = self.snapshot.take().unwrap_or_else(|| Err(io::Error::other("a builder builds once")))?;
        store(&self.slot, snapshot.clone());
        Ok(snapshot)
    }
}

/// Keeps a snapshot, unless a newer one came first.
pub fn store(slot: &Slot, snapshot: Snapshot) {
    let mut current = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let newer = current.as_ref().is_some_and(|held| held.meta.last_log_id > snapshot.meta.last_log_id);
    if !newer {
        *current = Some(snapshot);
    }
}
