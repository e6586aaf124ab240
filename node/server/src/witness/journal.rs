//! What this node has signed: written and synced before a signature is made, and never lost with the database.
//!
//! Invariants:
//! - of one size of one generation at most one digest is signed;
//! - no size below the highest is signed, but for one that was signed before;
//! - what was signed is durable before [`Journal::promise`] says that it may be.

use super::log::{HEAD, Log};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use symbi_model::planted::{self, Defect};
use symbi_model::{Checkpoint, Claim, codec};
use symbi_store::{Error, Files};

/// The file.
pub const NAME: &str = "journal";
/// With so many bytes only the highest promise and those of hops are kept.
const BYTES: u64 = 256 * 1024;
/// So many hops are kept: nobody asks for a signature on an older one.
const HOPS: usize = 1_024;
/// The longest promise.
const PROMISE: usize = 64;
/// One promise at most is on its way to the disk at a time.
const UNSYNCED: u64 = (HEAD + PROMISE) as u64;

/// That this node has signed a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// What it has signed.
    pub claim: Claim,
    /// The log index of the entry that closed the checkpoint.
    pub index: u64,
    /// Whether the checkpoint is a hop.
    pub hops: bool,
}

/// What was seen of the checkpoints that this start has closed.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The index of the first entry that was applied since the state was loaded.
    pub first: Option<u64>,
    /// Up to which size, in records, some may not have been seen.
    pub lost: u64,
}

/// Whether a checkpoint may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may: this is durable.
    May,
    /// It is older than what was signed last. It need not be signed any more.
    Older,
    /// Another history was signed before: this node must stop.
    Conflict(Promise),
}

/// See the module.
pub struct Journal {
    /// The file.
    log: Log,
    /// The promise of the greatest size of the latest generation.
    highest: Option<Promise>,
    /// Promises about hops, by generation and size.
    hops: BTreeMap<(u64, u64), Promise>,
    /// The highest promise of earlier starts, until this start's own history has come to it.
    unmet: Option<Promise>,
    /// Whether it was there before it was opened.
    was_there: bool,
}

impl Journal {
    /// Opens it.
    ///
    /// # Errors
    /// What the disk says, and [`Error::Corrupt`] when a record in it is no promise, or promises in it can be read no more.
    pub fn open(files: Arc<dyn Files>) -> Result<Self, Error> {
        let (log, found) = Log::open(files, NAME, UNSYNCED)?;
        let was_there = found.was_there;
        let mut journal = Self { log, highest: None, hops: BTreeMap::new(), unmet: None, was_there };
        for record in &found.records {
            let promise = codec::decode(record, PROMISE).map_err(|error| Error::Corrupt(error.to_string()))?;
            journal.keep(promise);
        }
        journal.unmet = journal.highest;
        Ok(journal)
    }

    /// Whether it was there before it was opened. Where a state is and no journal was, the journal was lost.
    #[must_use]
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// Takes note of a checkpoint that an entry applied here has closed, in order, also of one that is not to be signed. Answers what was
    /// signed of another history.
    pub fn pass(&mut self, checkpoint: &Checkpoint, watched: Watched) -> Option<Promise> {
        let unmet = self.unmet?;
        let covers = watched.first.is_some_and(|first| first <= unmet.index) && watched.lost < unmet.claim.size;
        let at = (checkpoint.generation, checkpoint.size);
        if !covers || checkpoint.generation != unmet.claim.generation || at == place(&unmet) {
            // A state that was loaded with it in it is not compared; of the same size the promise itself will be.
            self.unmet = None;
            return None;
        }
        (at > place(&unmet)).then_some(unmet)
    }

    /// Whether a checkpoint may be signed.
    ///
    /// # Errors
    /// What the disk says: then nothing may be signed.
    pub fn promise(&mut self, checkpoint: &Checkpoint) -> Result<Verdict, Error> {
        let promise = Promise { claim: checkpoint.claim(), index: checkpoint.index, hops: checkpoint.hops };
        if planted::active(Defect::SecondDigest) {
            return Ok(Verdict::May);
        }
        if let Some(before) = self.other(checkpoint) {
            return Ok(Verdict::Conflict(before));
        }
        if self.is_made(&promise.claim) {
            return Ok(Verdict::May);
        }
        if self.highest.is_some_and(|highest| place(&highest) > place(&promise)) {
            return Ok(Verdict::Older);
        }
        self.log.append(&codec::encode(&promise))?;
        self.log.sync()?;
        self.keep(promise);
        if self.log.size() >= BYTES {
            self.compact()?;
        }
        Ok(Verdict::May)
    }

    /// What was signed in place of a checkpoint.
    #[must_use]
    pub fn other(&self, checkpoint: &Checkpoint) -> Option<Promise> {
        let claim = checkpoint.claim();
        let same = |before: &&Promise| place(before) == (claim.generation, claim.size) && before.claim != claim;
        self.highest.iter().chain(self.hops.values()).find(same).copied()
    }

    /// Whether a claim was signed before.
    #[must_use]
    pub fn is_made(&self, claim: &Claim) -> bool {
        self.highest.iter().chain(self.hops.values()).any(|promise| promise.claim == *claim)
    }

    fn keep(&mut self, promise: Promise) {
        if self.highest.is_none_or(|highest| place(&highest) <= place(&promise)) {
            self.highest = Some(promise);
        }
        if promise.hops {
            self.hops.insert(place(&promise), promise);
            while self.hops.len() > HOPS {
                self.hops.pop_first();
            }
        }
    }

    fn compact(&mut self) -> Result<(), Error> {
        let promises = self.hops.values().chain(&self.highest);
        let records: Vec<Vec<u8>> = promises.map(codec::encode).collect();
        self.log.replace(records.iter().map(Vec::as_slice))
    }
}

/// The order of promises.
fn place(promise: &Promise) -> (u64, u64) {
    (promise.claim.generation, promise.claim.size)
}

#[cfg(test)]
mod tests;
