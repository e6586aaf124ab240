//! A host's clocks: simulated time, a lease clock that a freeze stops, and a wall clock that is wrong by some time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use symbi_node::clock::Clocks;

/// When every simulation begins: 2026-11-01, in ms since the Unix epoch.
pub const EPOCH_MS: u64 = 1_793_491_200_000;
/// How long every machine has been up by then: no duration is ever below zero.
const UPTIME: Duration = Duration::from_secs(1_000);

/// Since the simulation began; zero outside of it.
#[must_use]
pub fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// The start of simulated time, as the system's.
#[must_use]
pub fn epoch() -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_millis(EPOCH_MS)
}

/// The boot clock of one host.
#[derive(Debug, Default)]
pub struct Lease {
    /// Since when it stands still, and for how long it did before.
    stopped: Mutex<(Option<Duration>, Duration)>,
}

impl Lease {
    /// Stops it at the simulated time `at`.
    pub fn freeze(&self, at: Duration) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).0.get_or_insert(at);
    }

    /// Lets it run on from where it stopped.
    pub fn thaw(&self, at: Duration) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = stopped.0.take() {
            stopped.1 += at.saturating_sub(since);
        }
    }

    /// What it shows at the simulated time `at`.
    #[must_use]
    pub fn read(&self, at: Duration) -> Duration {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        UPTIME + stopped.0.map_or(at, |since| since.min(at)).saturating_sub(stopped.1)
    }
}

/// How wrong a host's wall clock is, ms; it may jump.
#[derive(Debug, Default)]
pub struct Wall(AtomicI64);

impl Wall {
    /// One that is ahead by so much, or behind.
    #[must_use]
    pub fn ahead(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Jumps.
    pub fn jump(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// What it shows at the simulated time `at`, ms since the Unix epoch.
    #[must_use]
    pub fn read(&self, at: Duration) -> u64 {
        let right = EPOCH_MS + u64::try_from(at.as_millis()).unwrap_or(0);
        right.saturating_add_signed(self.0.load(Ordering::Relaxed))
    }
}

/// The clocks of a host with these.
#[must_use]
pub fn clocks(lease: &Arc<Lease>, wall: &Arc<Wall>) -> Clocks {
    let (lease, wall) = (Arc::clone(lease), Arc::clone(wall));
    Clocks { wall_ms: Arc::new(move || wall.read(now())), boottime: Arc::new(move || lease.read(now())) }
}
