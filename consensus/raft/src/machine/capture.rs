//! A snapshot: the state at one index.

use super::frames::{Frames, Header};
use super::{Generation, Image};
use crate::types::{Snapshot, Types};
use openraft::RaftSnapshotBuilder;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the newest snapshot is kept.
pub type Slot<I> = Arc<Mutex<Option<Snapshot<Capture<I>>>>>;

/// The state at one index, and where its rows are.
#[derive(Clone)]
pub struct Capture<I> {
    /// The state.
    pub image: I,
    /// The index of the last entry in it.
    pub last: u64,
    /// Where the rows are, which may be as of another index.
    pub generation: Arc<Generation>,
}

impl<I: Image> Capture<I> {
    /// What a copy must come to.
    pub fn header(&self) -> Header {
        Header { root: self.image.hash() }
    }

    /// Its rows in frames.
    pub fn frames(&self) -> Frames {
        Frames::new(self.image.rows())
    }
}

/// Makes a snapshot out of what was the state when this was made.
pub struct Builder<I: Image> {
    /// The snapshot, until it is built; or why nothing may be let go for it.
    snapshot: Option<io::Result<Snapshot<Capture<I>>>>,
    /// Where it goes.
    slot: Slot<I>,
}

impl<I: Image> Builder<I> {
    /// A builder of this snapshot; of none when the state could not be saved.
    pub fn new(snapshot: io::Result<Snapshot<Capture<I>>>, slot: Slot<I>) -> Self {
        Self { snapshot: Some(snapshot), slot }
    }
}

impl<I: Image> RaftSnapshotBuilder<Types> for Builder<I> {
    type SnapshotData = Capture<I>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<Capture<I>>> {
        let snapshot = self.snapshot.take().unwrap_or_else(|| Err(io::Error::other("a builder builds once")))?;
        store(&self.slot, snapshot.clone());
        Ok(snapshot)
    }
}

/// Keeps a snapshot, unless a newer one came first.
pub fn store<I: Image>(slot: &Slot<I>, snapshot: Snapshot<Capture<I>>) {
    let mut current = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let newer = current.as_ref().is_some_and(|held| held.meta.last_log_id > snapshot.meta.last_log_id);
    if !newer {
        *current = Some(snapshot);
    }
}
