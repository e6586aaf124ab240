//! What an oracle is.

use crate::trace::Seen;

/// One property.
pub trait Oracle: Send {
    /// Sees the next event.
    ///
    /// # Errors
    /// What does not hold.
    fn see(&mut self, seen: &Seen) -> Result<(), String>;

    /// Whether it holds on when a database was put back to what it was some time ago. Of the others nothing can be asked then: what the
    /// node has forgotten it did not keep.
    fn outlasts(&self) -> bool {
        false
    }
}
