//! Forwarded batches on their way to the log: one that is sent again awaits the first, so that its entry is not appended
//! once for each time that it is sent.
//!
//! Bound: a flight is forgotten when it ends, when the term does, or after [`KEPT`], when the door lets its bytes in no
//! more.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::Hash;
use symbi_raft::{BatchApplied, WriteError};
use tokio::time::Instant;

/// How long a flight that nobody asks for is remembered.
const KEPT: Duration = Duration::from_secs(95);

/// How a flight ends.
type Landing = Result<BatchApplied, WriteError>;

/// Batches on their way.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<BTreeMap<Hash, Flight>>>);

/// A batch on its way.
struct Flight {
    /// The term in which it was proposed.
    term: u64,
    /// When.
    since: Instant,
    /// Its end.
    landing: Shared<BoxFuture<'static, Landing>>,
}

impl Flights {
    /// Awaits the flight of these bytes in this term for at most `patience`; starts it if there is none.
    pub async fn board(
        &self,
        term: u64,
        batch: Vec<u8>,
        patience: Duration,
        propose: impl FnOnce(Vec<u8>) -> BoxFuture<'static, Landing>,
    ) -> Landing {
        let hash = Hash::of(&[&batch]);
        let landing = self.find_or_start(term, hash, || propose(batch));
        match tokio::time::timeout(patience, landing.clone()).await {
            Ok(landed) => {
                self.forget(&hash, &landing);
                landed
            }
            Err(_) => Err(WriteError::Unknown),
        }
    }

    fn find_or_start(
        &self,
        term: u64,
        hash: Hash,
        start: impl FnOnce() -> BoxFuture<'static, Landing>,
    ) -> Shared<BoxFuture<'static, Landing>> {
        let now = Instant::now();
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.term == term && now < flight.since + KEPT);
        let flight = flights.entry(hash).or_insert_with(|| Flight { term, since: now, landing: start().shared() });
        flight.landing.clone()
    }

    fn forget(&self, hash: &Hash, landed: &Shared<BoxFuture<'static, Landing>>) {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(hash).is_some_and(|flight| flight.landing.ptr_eq(landed)) {
            flights.remove(hash);
        }
    }
}
