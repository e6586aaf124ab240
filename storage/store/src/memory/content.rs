//! What a disk holds, as a running host or as a crash would leave it. Values are shared between the volatile and the durable one.

use crate::engine::Pair;
use crate::write_batch::{Op, WriteBatch};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// An operation whose bytes can be put into both contents without a copy.
#[derive(Clone, Debug)]
pub(super) enum SharedOp {
    /// Sets a value.
    Put(Bytes, Bytes),
    /// Removes a key.
    Delete(Bytes),
    /// Removes the keys from the first up to, and without, the second.
    DeleteRange(Bytes, Bytes),
}

impl SharedOp {
    /// How many bytes its key and value have.
    pub(super) fn bytes(&self) -> u64 {
        let (one, other) = match self {
            Self::Put(key, value) => (key.len(), value.len()),
            Self::Delete(key) => (key.len(), 0),
            Self::DeleteRange(from, to) => (from.len(), to.len()),
        };
        u64::try_from(one + other).unwrap_or(u64::MAX)
    }
}

/// Makes a batch's operations shareable.
pub(super) fn share(batch: WriteBatch) -> Vec<SharedOp> {
    let ops = batch.into_ops().into_iter();
    ops.map(|op| match op {
        Op::Put { key, value } => SharedOp::Put(key.into(), value.into()),
        Op::Delete { key } => SharedOp::Delete(key.into()),
        Op::DeleteRange { from, to } => SharedOp::DeleteRange(from.into(), to.into()),
    })
    .collect()
}

/// Keys with their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// The pairs.
    pairs: BTreeMap<Bytes, Bytes>,
}

impl Content {
    /// Carries out operations, in order.
    pub(super) fn apply(&mut self, ops: &[SharedOp]) {
        for op in ops {
            match op {
                SharedOp::Put(key, value) => {
                    self.pairs.insert(key.clone(), value.clone());
                }
                SharedOp::Delete(key) => {
                    self.pairs.remove(key);
                }
                SharedOp::DeleteRange(from, to) => self.remove_range(from, to),
            }
        }
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pairs.get(key).map(|value| value.to_vec())
    }

    /// At most `limit` pairs of a range, by rising key.
    pub(super) fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Pair> {
        self.range(from, to).take(limit).map(owned).collect()
    }

    /// At most `limit` pairs at the end of a range, by falling key.
    pub(super) fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<Pair> {
        self.range(from, to).rev().take(limit).map(owned).collect()
    }

    /// The last pair of a range.
    pub(super) fn last(&self, from: &[u8], to: &[u8]) -> Option<Pair> {
        self.range(from, to).next_back().map(owned)
    }

    fn range(&self, from: &[u8], to: &[u8]) -> impl DoubleEndedIterator<Item = (&Bytes, &Bytes)> {
        // BTreeMap panics on a range that ends before it starts; an empty one is what is meant.
        let to = to.max(from);
        self.pairs.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
    }

    fn remove_range(&mut self, from: &[u8], to: &[u8]) {
        let keys: Vec<Bytes> = self.range(from, to).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.pairs.remove(&key);
        }
    }
}

fn owned((key, value): (&Bytes, &Bytes)) -> Pair {
    (key.to_vec(), value.to_vec())
}
