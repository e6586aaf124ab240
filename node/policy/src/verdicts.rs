//! A node's last verdicts, and the minting of their ids.
//!
//! Invariants:
//! - ids rise, whatever the clock does;
//! - no more verdicts are kept than was agreed: the oldest one goes first.

use crate::judge::Finding;
use crate::verdict::Verdict;
use std::collections::VecDeque;
use std::sync::Arc;
use symbi_model::{DecisionId, NodeId};
use uuid::Builder;

/// How many ids one millisecond has: an 18-bit counter leads the id's random part.
const PER_MILLISECOND: u32 = 1 << 18;

/// One verdict. Verdicts of the same finding share it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub id: DecisionId,
    /// When, ms since the Unix epoch.
    pub at_ms: u64,
    /// What was found.
    pub finding: Arc<Finding>,
}

impl Kept {
    /// It, without what came nearest.
    pub fn verdict(&self) -> Verdict {
        let finding = &self.finding;
        Verdict {
            id: self.id,
            at_ms: self.at_ms,
            action: finding.action.clone(),
            principal: finding.principal.to_string(),
            resource: finding.resource.to_string(),
            context: finding.looked_at(),
            allowed: finding.allowed,
            policy_set: finding.policy_set,
            determining: finding.determining.iter().map(|line| line.as_ref().clone()).collect(),
            nearest: Vec::new(),
            errors: finding.errors.clone(),
            reason: finding.reason(),
        }
    }
}

/// The table.
pub struct Verdicts {
    /// The first four bytes of the node that judges.
    node: [u8; 4],
    /// How many are kept.
    most: usize,
    /// The verdicts, in the order of their ids, which is that of time.
    kept: VecDeque<Kept>,
    /// The millisecond of the last id.
    last_ms: u64,
    /// The counter of the last id within it.
    counter: u32,
}

impl Verdicts {
    /// An empty table of `node`'s, for `most` verdicts.
    pub fn new(node: &NodeId, most: usize) -> Self {
        let node = [node.0[0], node.0[1], node.0[2], node.0[3]];
        Self { node, most, kept: VecDeque::new(), last_ms: 0, counter: 0 }
    }

    /// Keeps a verdict under the next id, of the time `now_ms` or of the last id's where the clock went back or the
    /// counter ran out. Answers the id, and the verdict that makes room for it: whoever has the lock lets that go later.
    pub fn keep(&mut self, now_ms: u64, finding: Arc<Finding>) -> (DecisionId, Option<Kept>) {
        let id = self.mint(now_ms);
        debug_assert!(self.kept.back().is_none_or(|last| last.id < id));
        let oldest = if self.kept.len() >= self.most { self.kept.pop_front() } else { None };
        self.kept.push_back(Kept { id, at_ms: now_ms, finding });
        debug_assert!(self.kept.len() <= self.most.max(1));
        (id, oldest)
    }

    fn mint(&mut self, now_ms: u64) -> DecisionId {
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

    /// The ids from `low` to `high` of the verdicts that are kept, at most `most`.
    pub fn ids(&self, low: &DecisionId, high: &DecisionId, most: usize) -> Vec<DecisionId> {
        let from = self.kept.partition_point(|kept| kept.id < *low);
        self.kept.range(from..).map(|kept| kept.id).take_while(|id| id <= high).take(most).collect()
    }

    /// The verdict, if it is still kept.
    pub fn get(&self, id: &DecisionId) -> Option<&Kept> {
        let place = self.kept.binary_search_by(|kept| kept.id.cmp(id)).ok()?;
        self.kept.get(place)
    }
}
