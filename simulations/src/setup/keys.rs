//! The keys that clients of all hosts read and write.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many keys are used at a time: few, so that operations meet.
const KEYS: u64 = 2;
/// How many operations are on a key before other keys are used: as many as are judged, with room to spare.
const OPERATIONS: u64 = 600;

/// Says which key the next operation is on.
#[derive(Debug, Default)]
pub struct Keys {
    /// How many operations there were.
    operations: AtomicU64,
}

impl Keys {
    /// The key of the next operation.
    pub fn following(&self) -> String {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        format!("register-{}-{}", number / (KEYS * OPERATIONS), number % KEYS)
    }
}
