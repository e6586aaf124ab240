//! A host's clocks: simulated time, a lease clock that a freeze stops, and a wall clock that is wrong by some time. Both drift.
//!
//! *Caveats.* Timers run by simulated time on every host: only what a node reads from a clock drifts.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use symbi_server::clock::Clocks;

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

/// What a clock that gains so many millionths shows of `time`.
fn shown(time: Duration, gains_ppm: i64) -> Duration {
    let nanos = i128::try_from(time.as_nanos()).expect("simulations are short");
    let shown = nanos + nanos * i128::from(gains_ppm) / 1_000_000;
    Duration::from_nanos(u64::try_from(shown).expect("no clock runs backwards"))
}

/// By how much a clock that gains so many millionths is ahead after `time`, ms.
fn gained_ms(time: Duration, gains_ppm: i64) -> i64 {
    i64::try_from(time.as_millis()).expect("simulations are short") * gains_ppm / 1_000_000
}

/// The boot clock of one host.
#[derive(Debug, Default)]
pub struct Lease {
    /// Since when it stands still, and for how long it did before.
    stopped: Mutex<(Option<Duration>, Duration)>,
    /// How much it gains, in millionths; a slow one loses.
    gains_ppm: i64,
}

impl Lease {
    /// One that drifts.
    #[must_use]
    pub fn gaining(gains_ppm: i64) -> Self {
        Self { stopped: Mutex::default(), gains_ppm }
    }

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
        UPTIME + shown(self.ran(at), self.gains_ppm)
    }

    /// How far it has drifted by the simulated time `at`, ms.
    #[must_use]
    pub fn drifted_ms(&self, at: Duration) -> i64 {
        gained_ms(self.ran(at), self.gains_ppm)
    }

    /// For how long it has run.
    fn ran(&self, at: Duration) -> Duration {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.0.map_or(at, |since| since.min(at)).saturating_sub(stopped.1)
    }
}

/// How wrong a host's wall clock is; it may jump, and it drifts.
#[derive(Debug, Default)]
pub struct Wall {
    /// How far it is ahead without its drift, ms.
    ahead_ms: AtomicI64,
    /// How much it gains, in millionths; a slow one loses.
    gains_ppm: i64,
}

impl Wall {
    /// One that is ahead by so much, or behind, and drifts.
    #[must_use]
    pub fn ahead(ms: i64, gains_ppm: i64) -> Self {
        Self { ahead_ms: AtomicI64::new(ms), gains_ppm }
    }

    /// Jumps.
    pub fn jump(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// What it shows at the simulated time `at`, ms since the Unix epoch.
    #[must_use]
    pub fn read(&self, at: Duration) -> u64 {
        let right = EPOCH_MS + u64::try_from(at.as_millis()).unwrap_or(0);
        right.saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed) + self.drifted_ms(at))
    }

    /// How far it has drifted by the simulated time `at`, ms.
    #[must_use]
    pub fn drifted_ms(&self, at: Duration) -> i64 {
        gained_ms(at, self.gains_ppm)
    }
}

/// The clocks of a host with these.
#[must_use]
pub fn clocks(lease: &Arc<Lease>, wall: &Arc<Wall>) -> Clocks {
    let (lease, wall) = (Arc::clone(lease), Arc::clone(wall));
    Clocks { wall_ms: Arc::new(move || wall.read(now())), boottime: Arc::new(move || lease.read(now())) }
}
