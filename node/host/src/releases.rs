//! The epochs that have ended here for good, on disk: synced before the cluster is told, so that whatever becomes of the report, none
//! of them is started again, and a start finds what is still to be told.
//!
//! A row goes when the cluster knows: when the placement is no longer held under that epoch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::agent::{AgentName, DETAIL_BYTES};
use symbi_model::command::Report;
use symbi_model::{Epoch, codec};
use symbi_store::{Engine, WriteBatch};
use tokio::sync::oneshot;

/// The first byte of every key; an agent's name follows. (1 is the replicas', 2 the ledger's, 3 the bench's.)
const SPACE: u8 = 5;
/// The longest row: a report with the longest detail and document, and what is around them.
const ROW: usize = 2 * DETAIL_BYTES + 1_024;
/// So many rows are read at once.
const READ: usize = 256;
/// Why nothing is stored after the end.
const CLOSED: &str = "the disk was closed";

/// Why a release is not on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The storage failed.
    #[error("a release cannot be stored: {0}")]
    Storage(String),
    /// A row is not what was written.
    #[error("the release of {name:?} on disk is damaged: {reason}")]
    Damaged {
        /// Of which agent.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The releases of this node that the cluster may not know of.
///
/// Invariants:
/// - what is here is synced.
pub(crate) struct Releases {
    /// The disk; none once the host has shut down, so that another may open it.
    engine: Mutex<Option<Arc<dyn Engine>>>,
    /// The last report of each epoch that has ended.
    ended: Mutex<BTreeMap<AgentName, Report>>,
}

impl Releases {
    /// Those that are on disk.
    pub(crate) fn open(engine: Arc<dyn Engine>) -> Result<Self, Error> {
        let (mut from, mut ended) = (vec![SPACE], BTreeMap::new());
        loop {
            let rows = engine.scan(&from, &[SPACE + 1], READ).map_err(|error| Error::Storage(error.to_string()))?;
            for (key, value) in &rows {
                let report: Report = codec::decode(value, ROW).map_err(|error| Error::Damaged {
                    name: String::from_utf8_lossy(&key[1..]).into_owned(),
                    reason: error.to_string(),
                })?;
                ended.insert(report.name.clone(), report);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == READ => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(Self { engine: Mutex::new(Some(engine)), ended: Mutex::new(ended) }),
            }
        }
    }

    /// Those of a host that is not going to start anything.
    pub(crate) fn unread() -> Self {
        Self { engine: Mutex::default(), ended: Mutex::default() }
    }

    /// Lets go of the disk: nothing is taken in any more.
    pub(crate) fn close(&self) {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Takes a release in; it is synced when this returns.
    pub(crate) async fn put(&self, report: &Report) -> Result<(), Error> {
        debug_assert!(report.released, "the last report of its epoch");
        if self.of(&report.name, report.epoch).as_ref() == Some(report) {
            return Ok(());
        }
        let Some(engine) = self.engine() else { return Err(Error::Storage(CLOSED.to_owned())) };
        let mut batch = WriteBatch::new();
        batch.put(key(&report.name), codec::encode(report));
        let (synced, durable) = oneshot::channel();
        // Whoever has stopped waiting needs not know.
        engine.append(batch, Box::new(move |result| drop(synced.send(result))));
        drop(engine);
        match durable.await {
            Ok(Ok(())) => {
                self.lock().insert(report.name.clone(), report.clone());
                Ok(())
            }
            Ok(Err(error)) => Err(Error::Storage(error.to_string())),
            Err(_) => Err(Error::Storage(CLOSED.to_owned())),
        }
    }

    /// The release of an agent under just this epoch.
    pub(crate) fn of(&self, name: &AgentName, epoch: Epoch) -> Option<Report> {
        self.lock().get(name).filter(|report| report.epoch == epoch).cloned()
    }

    /// Lets go of those that the cluster knows of, as `is_wanted` says.
    pub(crate) fn retain(&self, is_wanted: impl Fn(&AgentName, Epoch) -> bool) {
        let known: Vec<AgentName> = {
            let mut ended = self.lock();
            let known = ended.extract_if(.., |name, report| !is_wanted(name, report.epoch));
            known.map(|(name, _)| name).collect()
        };
        let Some(engine) = self.engine().filter(|_| !known.is_empty()) else { return };
        let mut batch = WriteBatch::new();
        known.iter().for_each(|name| {
            batch.delete(key(name));
        });
        // One that comes back after a cut is let go again.
        if let Err(error) = engine.write(batch) {
            tracing::warn!(%error, "releases that are known cannot be let go");
        }
    }

    fn engine(&self) -> Option<Arc<dyn Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AgentName, Report>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &AgentName) -> Vec<u8> {
    [&[SPACE], name.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{READ, Releases};
    use std::sync::Arc;
    use symbi_model::agent::AgentState;
    use symbi_model::command::Report;
    use symbi_model::{Epoch, Incarnation};
    use symbi_store::memory::{Disk, Memory};

    fn report(number: usize) -> Report {
        Report {
            name: format!("a{number}").parse().unwrap(),
            epoch: Epoch(number as u64 + 1),
            incarnation: Incarnation(7),
            sequence: 3,
            state: AgentState::Terminated,
            restarts: 0,
            detail: "its node is leaving".to_owned(),
            released: true,
            account: None,
        }
    }

    #[tokio::test]
    async fn what_was_put_is_there_after_a_crash_until_it_is_let_go() {
        let disk = Disk::new();
        let open = || Releases::open(Arc::new(Memory::open(Arc::clone(&disk)).unwrap())).unwrap();
        let releases = open();
        for number in 0..READ + 5 {
            releases.put(&report(number)).await.unwrap();
        }
        drop(releases);
        disk.crash();
        let releases = open();
        for number in 0..READ + 5 {
            let one = report(number);
            assert_eq!(releases.of(&one.name, one.epoch), Some(one.clone()));
            assert_eq!(releases.of(&one.name, Epoch(9_999)), None, "another epoch of it may start");
        }
        releases.retain(|name, _| name.as_str() == "a1");
        drop(releases);
        let releases = open();
        let left: Vec<Report> = releases.lock().values().cloned().collect();
        assert_eq!(left, [report(1)]);
    }
}
