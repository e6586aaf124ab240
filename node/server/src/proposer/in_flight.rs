//! Forwarded batches in flight to the log: one that is sent again awaits the first, so that its entry is not appended
//! once for each time that it is sent.
//!
//! Bound: a batch is forgotten when its outcome is known, when the term ends, or after [`KEPT`], when admission refuses its
//! time.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::Hash;
use symbi_raft::{BatchApplied, WriteError};
use tokio::time::Instant;

/// How long a leader has to answer for a batch that another node has forwarded.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a batch that nobody asks for is remembered.
const KEPT: Duration = Duration::from_secs(95);

/// What becomes of a batch.
type Outcome = Result<BatchApplied, WriteError>;

/// Batches in flight.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<BTreeMap<Hash, Proposed>>>);

/// A batch in flight.
struct Proposed {
    /// The term in which it was proposed.
    term: u64,
    /// When.
    since: Instant,
    /// What becomes of it.
    outcome: Shared<BoxFuture<'static, Outcome>>,
}

impl InFlight {
    /// Awaits what becomes of these bytes in this term for at most `patience`; proposes them if nobody has.
    pub async fn join_or_propose(
        &self,
        term: u64,
        batch: Vec<u8>,
        patience: Duration,
        propose: impl FnOnce(Vec<u8>) -> BoxFuture<'static, Outcome>,
    ) -> Outcome {
        let hash = Hash::of(&[&batch]);
        let outcome = self.find_or_start(term, hash, || propose(batch));
        match tokio::time::timeout(patience, outcome.clone()).await {
            Ok(settled) => {
                self.forget(&hash, &outcome);
                settled
            }
            Err(_) => Err(WriteError::Unknown),
        }
    }

    fn find_or_start(
        &self,
        term: u64,
        hash: Hash,
        start: impl FnOnce() -> BoxFuture<'static, Outcome>,
    ) -> Shared<BoxFuture<'static, Outcome>> {
        let now = Instant::now();
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.retain(|_, proposed| proposed.term == term && now < proposed.since + KEPT);
        let proposed =
            in_flight.entry(hash).or_insert_with(|| Proposed { term, since: now, outcome: start().shared() });
        proposed.outcome.clone()
    }

    fn forget(&self, hash: &Hash, outcome: &Shared<BoxFuture<'static, Outcome>>) {
        let mut in_flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if in_flight.get(hash).is_some_and(|proposed| proposed.outcome.ptr_eq(outcome)) {
            in_flight.remove(hash);
        }
    }
}
