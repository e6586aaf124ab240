//! The node's two clocks, as values, so that simulations can give their own.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ms since the Unix epoch.
pub type WallMs = Arc<dyn Fn() -> u64 + Send + Sync>;
/// Time since boot, sleep included.
pub type Boottime = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The clocks of a node.
#[derive(Clone)]
pub struct Clocks {
    /// For what people and other nodes read; nothing about safety reads it.
    pub wall_ms: WallMs,
    /// For grants: `CLOCK_BOOTTIME`, which runs while a machine sleeps.
    pub boottime: Boottime,
}

impl Clocks {
    /// The clocks of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self { wall_ms: Arc::new(wall_ms), boottime: Arc::new(boottime) }
    }
}

/// The wall clock of this machine, ms since the Unix epoch.
#[must_use]
pub fn wall_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn boottime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
