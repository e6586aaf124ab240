//! How far a ledger is: what of it the storage has, so that it may be said to the cluster, and what of it the cluster has. It knows
//! neither disk nor cluster.
//!
//! An anchor is over every line that there ever was, so one that is lost, or comes late, is made up for by the next.

use std::collections::VecDeque;
use symbi_model::Hash;
use symbi_model::ledger::{Tip, anchor};
use symbi_model::merkle::Frontier;
use tokio::sync::watch;

/// With so many lines that are not anchored the ledger is full.
pub const UNANCHORED: u64 = 1 << 20;

/// See the module.
///
/// Invariants:
/// - the tree is over every line so far;
/// - what is said to be synced is, and only rises;
/// - of the tree there are no more hashes than its size has bits.
#[derive(Debug)]
pub struct Anchoring {
    /// The tree over the hashes of all lines.
    tree: Frontier,
    /// The hash of the last one.
    head: Hash,
    /// Where the batches end that the storage was given and has not synced, by their numbers.
    given: VecDeque<(u64, Tip)>,
    /// Where what is synced ends; none if that is nothing.
    synced: watch::Sender<Option<Tip>>,
    /// The last line of the last anchor that the cluster has.
    anchored: u64,
}

impl Anchoring {
    /// After a start: the tree over the lines that there are, and the hash of the last; the last line of the last anchor that the
    /// cluster is known to have.
    pub fn new(tree: Frontier, head: Hash, anchored: u64, synced: watch::Sender<Option<Tip>>) -> Self {
        Self { tree, head, given: VecDeque::new(), synced, anchored }
    }

    /// Takes the hash of the next line.
    pub fn push(&mut self, hash: Hash) {
        self.tree.append(anchor::leaf(&hash));
        self.head = hash;
    }

    /// Whether nothing more should be recorded until there is an anchor.
    pub fn is_full(&self) -> bool {
        self.last().saturating_sub(self.anchored) >= UNANCHORED
    }

    /// The tree over every line.
    pub fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// The last line.
    pub fn last(&self) -> u64 {
        self.tree.size()
    }

    /// The hash of the last line; zeros if there is none.
    pub fn head(&self) -> Hash {
        self.head
    }

    /// The last line of the last anchor that the cluster has.
    pub fn anchored(&self) -> u64 {
        self.anchored
    }

    /// The storage was given a batch, and with it every line so far.
    pub fn given(&mut self, batch: u64) {
        if self.last() > 0 {
            self.given.push_back((batch, self.tip()));
        }
    }

    /// The storage has synced so many batches: where that ends, if it says something new.
    pub fn synced(&mut self, batches: u64) -> Option<Tip> {
        let mut last = None;
        while let Some((_, tip)) = self.given.pop_front_if(|(batch, _)| *batch <= batches) {
            last = Some(tip);
        }
        last.filter(|tip| self.say(*tip))
    }

    /// Says that every line so far is synced, although it is not: what a defect does.
    pub fn say_unsynced(&mut self) {
        if self.last() > 0 {
            let _ = self.say(self.tip());
        }
    }

    /// The cluster has an anchor of so many lines.
    pub fn done(&mut self, entries: u64) {
        assert!(entries > self.anchored && entries <= self.last(), "anchors rise, and are of lines that there are");
        self.anchored = entries;
    }

    fn tip(&self) -> Tip {
        Tip::of(&self.tree, self.head)
    }

    /// Whether it says something new.
    fn say(&self, tip: Tip) -> bool {
        self.synced.send_if_modified(|said| {
            let is_new = said.is_none_or(|said| said.entries < tip.entries);
            if is_new {
                *said = Some(tip);
            }
            is_new
        })
    }
}
