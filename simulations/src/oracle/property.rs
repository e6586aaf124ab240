//! What an oracle is.

use crate::trace::Seen;

/// One property.
pub trait Oracle: Send {
    /// Sees the next event.
    ///
    /// # Errors
    /// What does not hold.
    fn see(&mut self, seen: &Seen) -> Result<(), String>;
}
