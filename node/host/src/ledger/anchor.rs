//! When a ledger is anchored, and with what: the part that decides. It knows neither disk nor cluster, and time comes in as an
//! argument.
//!
//! One anchor is under way at a time, and it is proposed again, the same, until the cluster has it: two of them at once
//! could be applied in either order, and a root is over the lines since the anchor before. For the same reason it is on disk
//! before it is proposed: the next start goes on with it.

use std::time::Duration;
use symbi_model::ledger::Anchor;
use symbi_model::{Hash, merkle};
use tokio::time::Instant;

/// So many new lines are anchored at once.
pub const BATCH: u64 = 256;
/// There are no two anchors within this time.
pub const PAUSE: Duration = Duration::from_millis(40);
/// What is new is anchored at the latest after this time.
pub const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait before the same anchor is proposed again.
pub const AGAIN: Duration = Duration::from_millis(500);
/// With so many lines that are not anchored the ledger is full.
pub const UNANCHORED: usize = 1 << 20;

/// What is not anchored yet.
///
/// Invariants:
/// - `hashes` are those of the lines after `anchored`, in order;
/// - an anchor that was begun is the only one until it is done.
#[derive(Debug)]
pub struct Anchoring {
    /// The last line of the last anchor that the cluster has.
    anchored: u64,
    /// The hashes of the lines after it.
    hashes: Vec<Hash>,
    /// The anchor under way.
    under_way: Option<Anchor>,
    /// When an anchor was begun last.
    begun: Option<Instant>,
    /// Since when there is something new.
    since: Option<Instant>,
}

impl Anchoring {
    /// After a start: the last anchor that the cluster is known to have, and the hashes of the lines after it; the anchor
    /// that was proposed last, if the cluster may not have it.
    pub fn new(anchored: u64, hashes: Vec<Hash>, under_way: Option<Anchor>, now: Instant) -> Self {
        let since = (!hashes.is_empty()).then_some(now);
        Self { anchored, hashes, under_way, begun: None, since }
    }

    /// Takes the hash of the next line.
    pub fn push(&mut self, hash: Hash, now: Instant) {
        self.hashes.push(hash);
        self.since.get_or_insert(now);
    }

    /// Whether nothing more should be recorded until there is an anchor.
    pub fn is_full(&self) -> bool {
        self.hashes.len() >= UNANCHORED
    }

    /// The last line of which it has the hash.
    pub fn last(&self) -> u64 {
        self.anchored + self.hashes.len() as u64
    }

    /// The last line of the last anchor that the cluster has.
    pub fn anchored(&self) -> u64 {
        self.anchored
    }

    /// The anchor under way.
    pub fn under_way(&self) -> Option<Anchor> {
        self.under_way
    }

    /// When the next anchor is due; none while there is nothing new, or one is under way. What comes first waits a moment for
    /// what comes with it.
    pub fn due(&self) -> Option<Instant> {
        let since = self.since.filter(|_| self.under_way.is_none())?;
        let wait = if self.hashes.len() as u64 >= BATCH { PAUSE } else { PERIOD };
        Some(self.begun.map_or(since + PAUSE, |begun| (begun + wait).max(since + PAUSE)))
    }

    /// Begins the anchor over every line so far, if it is due.
    pub fn begin(&mut self, now: Instant) -> Option<Anchor> {
        self.due().filter(|due| *due <= now)?;
        let head = *self.hashes.last()?;
        let entries = self.anchored + self.hashes.len() as u64;
        let anchor = Anchor { entries, head, root: merkle::root(&self.hashes) };
        (self.under_way, self.begun) = (Some(anchor), Some(now));
        Some(anchor)
    }

    /// The cluster has the anchor under way.
    pub fn done(&mut self, now: Instant) -> Option<Anchor> {
        let anchor = self.under_way.take()?;
        let count = usize::try_from(anchor.entries - self.anchored).expect("lines in memory");
        self.hashes.drain(..count);
        self.anchored = anchor.entries;
        self.since = (!self.hashes.is_empty()).then_some(now);
        Some(anchor)
    }
}
