//! The checkpoints that entries applied to this image have closed, as far as they are to be signed: what a voter's witness takes from
//! a state that it watches and does not see at every entry. No part of the state: it is in no row, and makes no two states differ.

use crate::checkpoint::Checkpoint;
use imbl::Vector;
use std::sync::Arc;

/// So many are kept: a watcher sees the state more often than so many are closed.
const KEPT: usize = 256;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// The index of the first entry that was applied to this image since it was loaded.
    first: Option<u64>,
    /// The checkpoints, by size.
    closed: Vector<Arc<Checkpoint>>,
    /// The size of the last one that had to give way; 0 if none had to.
    lost: u64,
}

impl Recent {
    /// The index of the first entry that was applied to this image since it was loaded; none if none was.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// The checkpoints, by size.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &Arc<Checkpoint>> {
        self.closed.iter()
    }

    /// The size of the last checkpoint that had to give way, and with which all smaller ones are gone; 0 if none had to.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// An entry was applied.
    pub(crate) fn applied(&mut self, index: u64) {
        self.first.get_or_insert(index);
    }

    /// A checkpoint was closed that is to be signed.
    pub(crate) fn push(&mut self, checkpoint: Arc<Checkpoint>) {
        if self.closed.len() == KEPT {
            self.lost = self.closed.pop_front().map_or(self.lost, |lost| lost.size);
        }
        self.closed.push_back(checkpoint);
    }
}

/// No part of the state: any two are alike.
impl PartialEq for Recent {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Recent {}
