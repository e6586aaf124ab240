//! A node's last verdicts, and the minting of their ids.
//!
//! Invariants:
//! - ids rise, whatever the clock does;
//! - no more verdicts are kept than was agreed: the oldest one goes first.

use crate::verdict::Verdict;
use std::collections::BTreeMap;
use symbi_model::{DecisionId, NodeId};
use uuid::Builder;

/// How many ids one millisecond has: an 18-bit counter leads the id's random part.
const PER_MILLISECOND: u32 = 1 << 18;

/// The table.
pub struct Verdicts {
    /// The first four bytes of the node that judges.
    node: [u8; 4],
    /// How many are kept.
    kept: usize,
    /// The verdicts; their ids are in the order of time.
    by_id: BTreeMap<DecisionId, Verdict>,
    /// The millisecond of the last id.
    last_ms: u64,
    /// The counter of the last id within it.
    counter: u32,
}

impl Verdicts {
    /// An empty table of `node`'s, for `kept` verdicts.
    pub fn new(node: &NodeId, kept: usize) -> Self {
        let node = [node.0[0], node.0[1], node.0[2], node.0[3]];
        Self { node, kept, by_id: BTreeMap::new(), last_ms: 0, counter: 0 }
    }

    /// The next id: its time is `now_ms`, or the last id's where the clock went back or the counter ran out.
    pub fn mint(&mut self, now_ms: u64) -> DecisionId {
        if now_ms > self.last_ms {
            (self.last_ms, self.counter) = (now_ms, 0);
        } else {
            self.counter += 1;
        }
        if self.counter == PER_MILLISECOND {
            (self.last_ms, self.counter) = (self.last_ms + 1, 0);
        }
        let mut tail: [u8; 10] = rand::random();
        // Twelve bits before the variant, whose two bits lead the third byte, and six after it.
        tail[0] = (self.counter >> 14) as u8;
        tail[1] = (self.counter >> 6) as u8;
        tail[2] = (self.counter & 0x3f) as u8;
        let id = Builder::from_unix_timestamp_millis(self.last_ms, &tail).into_uuid();
        DecisionId { node: self.node, id }
    }

    /// Keeps a verdict whose id was minted here.
    pub fn keep(&mut self, verdict: Verdict) {
        debug_assert!(self.by_id.last_key_value().is_none_or(|(last, _)| *last < verdict.id));
        self.by_id.insert(verdict.id, verdict);
        if self.by_id.len() > self.kept {
            self.by_id.pop_first();
        }
        debug_assert!(self.by_id.len() <= self.kept);
    }

    /// The verdict, if it is still kept.
    pub fn get(&self, id: &DecisionId) -> Option<&Verdict> {
        self.by_id.get(id)
    }
}
