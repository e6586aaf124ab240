//! The checkpoints that this node knows, and who has signed them: all hops, the last ones that were witnessed, and those that are to
//! be. Pure: what is heard goes in, and what is news comes out.
//!
//! A checkpoint gets in when an entry applied here has closed it; when a hop that is known names it as the one before; or when a
//! majority of the voters whom the hop before it names has signed it. So nothing in it rests on who told of it.
//!
//! Invariants:
//! - a hop is there only if a later one that is there names it, or it was this node's own;
//! - at most [`OPEN`] are to be witnessed, at most [`EARLY`] signatures of one node wait for their checkpoint, and at most
//!   [`OTHERS`] are remembered of another history.

use super::entry::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use symbi_model::{Checkpoint, Claim, Hash, NodeId};
use symbi_proto::wire::{Signed, Witnessed};

/// So many checkpoints wait to be witnessed; the oldest gives way.
const OPEN: usize = 64;
/// So many that were witnessed are kept beside the hops.
const LAST: usize = 16;
/// So many signatures of one node wait for their checkpoint; the oldest gives way.
const EARLY: usize = 8;
/// The signatures of so many nodes wait: there are at most twice so many voters as vote at a time.
const EARLY_NODES: usize = 16;

/// So many signatures on another history are remembered, to see whether a majority has signed it; the first ones give way.
const OTHERS: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Book {
    /// Hops, by size.
    hops: BTreeMap<u64, Entry>,
    /// Those that are to be witnessed, by size.
    open: BTreeMap<u64, Entry>,
    /// The last that were witnessed and are no hops, by size.
    last: BTreeMap<u64, Entry>,
    /// Signatures whose checkpoints were not closed here yet.
    early: BTreeMap<NodeId, VecDeque<Signed>>,
    /// Who has signed another history than this node's, and which.
    others: VecDeque<(Claim, NodeId)>,
}

/// What came of something that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// More is known of this entry, which is to be kept.
    Kept(Entry),
    /// A voter has signed another history than this node's.
    Conflict {
        /// What this node has at that size.
        own: Arc<Checkpoint>,
        /// Who has signed something else.
        node: NodeId,
        /// What.
        signed: Signed,
    },
    /// A majority of the voters has signed another history than this node's.
    Outvoted {
        /// What this node has at that size.
        own: Arc<Checkpoint>,
        /// What they have signed.
        claim: Claim,
    },
}

impl Book {
    /// One with the entries that were kept.
    #[must_use]
    pub fn of(kept: impl IntoIterator<Item = Entry>) -> Self {
        let mut book = Self::default();
        for entry in kept {
            let all = if entry.checkpoint.hops { &mut book.hops } else { &mut book.last };
            all.insert(entry.claim.size, entry);
        }
        book.thin();
        book
    }

    /// Takes in a checkpoint that this node's own state has.
    pub fn close(&mut self, checkpoint: &Arc<Checkpoint>) -> Vec<News> {
        let size = checkpoint.size;
        let is_known = if checkpoint.hops {
            self.hops.contains_key(&size)
        } else {
            self.open.contains_key(&size) || self.last.contains_key(&size)
        };
        let mut news = Vec::new();
        if !is_known {
            let entry = Entry::new(checkpoint.clone());
            if checkpoint.hops {
                news.push(News::Kept(entry.clone()));
                self.hops.insert(size, entry);
            } else {
                self.open.insert(size, entry);
                while self.open.len() > OPEN {
                    self.open.pop_first();
                }
            }
        }
        let mut waiting = Vec::new();
        for (node, signed) in &mut self.early {
            waiting.extend(signed.iter().filter(|signed| signed.claim.size == size).map(|one| (*node, one.clone())));
            signed.retain(|signed| signed.claim.size > size);
        }
        self.early.retain(|_, signed| !signed.is_empty());
        news.extend(waiting.into_iter().flat_map(|(node, signed)| self.hear(node, signed)));
        news
    }

    /// Takes a node's signature.
    pub fn hear(&mut self, node: NodeId, signed: Signed) -> Vec<News> {
        let size = signed.claim.size;
        let Some(entry) = self.at(size) else {
            self.wait(node, signed);
            return Vec::new();
        };
        if entry.claim != signed.claim {
            let own = entry.checkpoint.clone();
            return self.oppose(own, node, signed);
        }
        if !entry.sign(node, &signed.signature.0) {
            return Vec::new();
        }
        let (entry, is_witnessed) = (entry.clone(), entry.is_witnessed());
        if self.open.contains_key(&size) {
            if !is_witnessed {
                return Vec::new();
            }
            self.open = self.open.split_off(&(size + 1));
            self.last.insert(size, entry.clone());
            self.thin();
        }
        vec![News::Kept(entry)]
    }

    /// Takes what another node told, by one whose chain has `size` records.
    pub fn learn(&mut self, told: Vec<Witnessed>, size: u64) -> Vec<News> {
        let mut news = Vec::new();
        let mut entries: Vec<Entry> = told.into_iter().map(Entry::told).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.checkpoint.hops, entry.claim.size)));
        for entry in entries {
            // Nobody has signed whether it is a hop: it is one if a hop names it.
            if self.wanted().contains(&entry.claim.digest) {
                self.open.remove(&entry.claim.size);
                self.last.remove(&entry.claim.size);
                let entry = entry.as_hop();
                news.push(News::Kept(entry.clone()));
                self.hops.insert(entry.claim.size, entry);
            } else if self.at(entry.claim.size).is_some() {
                let (claim, signed) = (entry.claim, entry.tell().signatures);
                let signed = signed.into_iter().map(|(node, signature)| (node, Signed { claim, signature }));
                news.extend(signed.flat_map(|(node, signed)| self.hear(node, signed)));
            } else if !entry.checkpoint.hops && entry.claim.size <= size && self.is_proved(&entry) {
                news.push(News::Kept(entry.clone()));
                self.last.insert(entry.claim.size, entry);
                self.thin();
            }
        }
        news
    }

    /// Every hop, by size.
    pub fn hops(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.hops.values()
    }

    /// The last that were witnessed and are no hops, by size.
    pub fn last(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.last.values()
    }

    /// How many records the last witnessed checkpoint covers.
    #[must_use]
    pub fn witnessed(&self) -> u64 {
        let hop = self.hops.values().rev().find(|entry| entry.is_witnessed());
        self.last.values().next_back().into_iter().chain(hop).map(|entry| entry.claim.size).max().unwrap_or(0)
    }

    /// Whether this is what a majority has signed at that size: one of the last that were witnessed, or a hop; none if nothing of that
    /// size was witnessed as far as is known here.
    #[must_use]
    pub fn verdict(&self, claim: &Claim) -> Option<bool> {
        let entry = self.hops.get(&claim.size).or_else(|| self.last.get(&claim.size))?;
        entry.is_witnessed().then_some(entry.claim == *claim)
    }

    /// The newest entry that this node has signed and that is not witnessed yet.
    #[must_use]
    pub fn unwitnessed(&self, node: &NodeId) -> Option<&Entry> {
        self.open.values().rev().find(|entry| entry.signature(node).is_some())
    }

    /// Below which size hops are to be asked for: of the latest one whose predecessor is not known, or that is not witnessed as far as
    /// is known here, because it was signed by others. That matters of the last one, and of one behind which others rule; none if
    /// there is no such hop.
    #[must_use]
    pub fn gap(&self) -> Option<u64> {
        let known: BTreeSet<Hash> = self.hops.values().map(|entry| entry.claim.digest).collect();
        let ruling = |entry: &Entry| entry.checkpoint.voters.first().cloned();
        let mut later = None;
        self.hops.values().rev().find_map(|entry| {
            let matters = later.replace(ruling(entry)).is_none_or(|later| later != ruling(entry));
            let is_alone = is_named(entry) && !known.contains(&entry.checkpoint.hop);
            (is_alone || (matters && !entry.is_witnessed())).then_some(entry.claim.size + 1)
        })
    }

    /// The last hop.
    #[must_use]
    pub fn last_hop(&self) -> Option<&Entry> {
        self.hops.values().next_back()
    }

    /// The digests of hops that are named and not known.
    fn wanted(&self) -> BTreeSet<Hash> {
        let known: BTreeSet<Hash> = self.hops.values().map(|entry| entry.claim.digest).collect();
        let named = self.hops.values().filter(|entry| is_named(entry)).map(|entry| entry.checkpoint.hop);
        named.filter(|digest| !known.contains(digest)).collect()
    }

    /// Whether the voters whom the hop before it names have signed it.
    fn is_proved(&self, entry: &Entry) -> bool {
        let hop = self.hops.values().find(|hop| hop.claim.digest == entry.checkpoint.hop);
        let Some(hop) = hop.filter(|hop| hop.is_witnessed()) else { return false };
        let ruling = hop.checkpoint.voters.first();
        let sets = match entry.checkpoint.voters.as_slice() {
            [only] => Some(only) == ruling,
            [first, second] => Some(first) == ruling && Some(second) == hop.checkpoint.next.as_ref(),
            _ => false,
        };
        sets && entry.is_witnessed()
    }

    /// A signature on another history than this node's: of a voter that is evidence, and of a majority more than that.
    fn oppose(&mut self, own: Arc<Checkpoint>, node: NodeId, signed: Signed) -> Vec<News> {
        let (claim, is_comparable) = (signed.claim, signed.claim.generation == own.generation);
        if !is_comparable || !own.names(&node) || !claim.is_signed(&node, &signed.signature.0) {
            return Vec::new();
        }
        if !self.others.contains(&(claim, node)) {
            self.others.push_back((claim, node));
        }
        if self.others.len() > OTHERS {
            self.others.pop_front();
        }
        let is_outvoted = own.is_witnessed_by(|voter| self.others.contains(&(claim, *voter)));
        let mut news = vec![News::Conflict { own: own.clone(), node, signed }];
        if is_outvoted {
            news.push(News::Outvoted { own, claim });
        }
        news
    }

    fn at(&mut self, size: u64) -> Option<&mut Entry> {
        let Self { hops, open, last, .. } = self;
        hops.get_mut(&size).or_else(|| open.get_mut(&size)).or_else(|| last.get_mut(&size))
    }

    fn wait(&mut self, node: NodeId, signed: Signed) {
        let newest = [&self.hops, &self.open, &self.last].into_iter().filter_map(|all| all.keys().next_back()).max();
        let is_ahead = newest.is_none_or(|newest| *newest < signed.claim.size);
        if !is_ahead || (self.early.len() >= EARLY_NODES && !self.early.contains_key(&node)) {
            return;
        }
        let waiting = self.early.entry(node).or_default();
        if waiting.iter().any(|known| known.claim == signed.claim) {
            return;
        }
        if waiting.len() == EARLY {
            waiting.pop_front();
        }
        waiting.push_back(signed);
    }

    fn thin(&mut self) {
        while self.last.len() > LAST {
            self.last.pop_first();
        }
    }
}

fn is_named(entry: &Entry) -> bool {
    entry.checkpoint.hop != Hash::default()
}

/// What a node says that has signed an entry.
#[must_use]
pub fn said(entry: &Entry, node: &NodeId) -> Option<Signed> {
    let signature = entry.signature(node)?.to_vec();
    let claim: Claim = entry.claim;
    Some(Signed { claim, signature: symbi_proto::wire::Blob(signature) })
}

#[cfg(test)]
mod tests;
