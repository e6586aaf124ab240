//! What a host keeps outside of its starts, as a real machine keeps it on its disk: the [`symbi_store::memory::Disk`], and the
//! few small files of a data directory as [`Files`]; and what is seen of it from outside.

mod files;
mod keys;
mod shared;

pub use files::{Cluster, Files};
pub use keys::Keys;
pub use shared::{Action, AdminCommand, Shared};

use crate::acknowledged::Acknowledged;
use crate::clock::{Lease, Wall};
use crate::history::{How, Key, Kind};
use crate::trace::{Event, Recorder};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::{Outcome, State};
use symbi_server::failure::Failure;
use symbi_store::files::Simulated;
use symbi_store::memory::Disk;

/// What a host keeps outside of its starts.
pub struct Setup {
    /// Its name.
    pub name: String,
    /// Its number, from 0.
    pub number: usize,
    /// What all hosts share.
    pub shared: Arc<Shared>,
    /// Where everything is told.
    pub recorder: Recorder,
    /// Its lease clock.
    pub lease: Arc<Lease>,
    /// Its wall clock.
    pub wall: Arc<Wall>,
    /// Its disk.
    pub disk: Arc<Disk>,
    /// The folder of its witness.
    pub witness: Arc<Simulated>,
    /// Its small files.
    pub files: Mutex<Files>,
    /// What its writer's writes came to.
    pub acknowledged: Mutex<Acknowledged>,
    /// Whether its disk was put back to what it was some time ago.
    pub is_put_back: AtomicBool,
    /// Answers that its agents have had.
    pub answered: AtomicU64,
    /// What is seen of it from outside.
    pub seen: Mutex<View>,
}

/// What is seen of a host from outside.
#[derive(Default)]
pub struct View {
    /// Its replica's status.
    pub status: symbi_raft::Status,
    /// Its replica's state.
    pub state: State,
    /// The phase of its join that ended last.
    pub phase: u8,
    /// How its last start failed.
    pub failure: Option<Failure>,
    /// How the last command of the administrator ended that it was given.
    pub command: Option<Result<Outcome, String>>,
    /// How its audit ended.
    pub audited: Option<Result<u64, String>>,
}

impl Setup {
    /// Changes what is seen from outside.
    pub fn view<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What its writer's writes came to.
    pub fn acknowledged(&self) -> MutexGuard<'_, Acknowledged> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes acknowledged to its writer, and answers that its agents have had.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.acknowledged().count(), self.answered.load(Ordering::Relaxed))
    }

    /// Tells that a message ended, and counts answers.
    pub fn ended(&self, key: Key, kind: Kind, how: How) {
        if matches!(how, How::Answered(_)) {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.recorder.tell(&self.name, Event::Ended { key, kind, how });
    }

    /// Its small files.
    #[must_use]
    pub fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a production node's process would end. Here its parts go on, as if it took its time to end.
    pub fn failed(&self, failure: Failure) {
        self.recorder.tell(&self.name, Event::Stopped { code: failure.code.clone(), exit: failure.exit });
        self.view(|view| view.failure = Some(failure));
    }

    /// Random numbers of one start.
    #[must_use]
    pub fn random(&self, boot: u64) -> StdRng {
        let mut seed = self.files().seed;
        seed[..8].copy_from_slice(&boot.to_be_bytes());
        StdRng::from_seed(seed)
    }
}
