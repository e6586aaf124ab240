//! Takes a snapshot in, frame by frame. One at a time: a newer leader's, or a new attempt, takes the place of an older.

use crate::error::ServeError;
use crate::machine::frames::Frame;
use crate::machine::{Filling, Generations};
use crate::replica::Raft;
use crate::types::{self, SnapshotMeta, Types};
use crate::wire::{Begin, Reply};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::NodeId;

/// A snapshot on its way in.
struct Transfer {
    /// Who sends it.
    from: NodeId,
    /// Its beginning.
    begin: Begin,
    /// The number of the next frame.
    next: u64,
    /// What came so far.
    filling: Filling,
}

/// Takes snapshots in.
pub struct Receiver {
    /// Where they go.
    generations: Arc<Generations>,
    /// The one on its way.
    transfer: Mutex<Option<Transfer>>,
}

impl Receiver {
    /// Nothing on its way yet.
    pub fn new(generations: Arc<Generations>) -> Self {
        Self { generations, transfer: Mutex::new(None) }
    }

    /// A snapshot begins.
    pub async fn begin(&self, from: NodeId, begin: Begin) -> Result<Reply, ServeError> {
        if self.transfer().as_ref().is_some_and(|held| held.begin.vote.term > begin.vote.term) {
            return Ok(refused("a newer leader sends one"));
        }
        let generation = match self.generations.next().await {
            Ok(generation) => generation,
            Err(error) => return Ok(refused(&error.to_string())),
        };
        let filling = Filling::new(generation, begin.header.clone());
        let old = self.transfer().replace(Transfer { from, begin, next: 0, filling });
        drop(old);
        Ok(Reply::Continue)
    }

    /// The next frame.
    pub fn frame(&self, from: NodeId, number: u64, sequence: u64, frame: Frame) -> Reply {
        let mut slot = self.transfer();
        let Some(transfer) = slot.as_mut().filter(|held| held.is(from, number) && held.next == sequence) else {
            return refused("it does not continue what is on its way");
        };
        transfer.next += 1;
        match transfer.filling.take(frame) {
            Ok(()) => Reply::Continue,
            Err(error) => {
                *slot = None;
                refused(&error.to_string())
            }
        }
    }

    /// That was all: it is checked, and openraft installs it if it still wants it.
    pub async fn end(&self, raft: &Raft, from: NodeId, number: u64, frames: u64) -> Result<Reply, ServeError> {
        let held = self.transfer().take_if(|held| held.is(from, number));
        let Some(transfer) = held.filter(|held| held.next == frames) else {
            return Ok(refused("it does not end what is on its way"));
        };
        let vote = types::Vote::from(transfer.begin.vote);
        let snapshot = match transfer.finish() {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(refused(&error.to_string())),
        };
        let response = raft.install_full_snapshot(vote, snapshot).await.map_err(|_| ServeError::Stopped)?;
        Ok(Reply::Installed((&response.vote).into()))
    }

    fn transfer(&self) -> MutexGuard<'_, Option<Transfer>> {
        self.transfer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    fn is(&self, from: NodeId, number: u64) -> bool {
        self.from == from && self.begin.transfer == number
    }

    fn finish(self) -> io::Result<openraft::type_config::alias::SnapshotOf<Types, crate::machine::Image>> {
        let meta = SnapshotMeta {
            last_log_id: self.begin.last.map(types::LogId::from),
            last_membership: self.begin.membership.into(),
        };
        let last = self.begin.last.map_or(0, |id| id.index);
        Ok(openraft::type_config::alias::SnapshotOf::<Types, _> { meta, snapshot: self.filling.finish(last)? })
    }
}

fn refused(reason: &str) -> Reply {
    Reply::SnapshotRefused { reason: reason.to_owned() }
}
