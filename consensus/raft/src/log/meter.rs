//! Weighs the log, without reading it: each entry is kept with the place in bytes at which it begins.

use super::shared::Shared;
use std::io;
use std::sync::Arc;

/// See the module.
pub struct Meter {
    /// The log.
    shared: Arc<Shared>,
}

impl Meter {
    /// Weighs this log.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The bytes of the entries after `from` up to `to`, as far as there are any.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn weigh(&self, from: u64, to: u64) -> io::Result<u64> {
        if to <= from {
            return Ok(0);
        }
        Ok(self.shared.begin(to + 1)?.saturating_sub(self.shared.begin(from + 1)?))
    }
}
