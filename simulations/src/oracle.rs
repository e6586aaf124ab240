//! The oracles: each judges one property of a history, event by event, and knows nothing of what was done to the world.

mod election;
mod gate;
mod replicas;
mod sink;
#[cfg(test)]
mod tests;
mod wrong;

use crate::trace::Seen;

/// One property.
pub trait Oracle: Send {
    /// Sees the next event.
    ///
    /// # Errors
    /// What does not hold.
    fn see(&mut self, seen: &Seen) -> Result<(), String>;
}

/// Every oracle, having seen nothing.
#[must_use]
pub fn all() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::<election::Election>::default(),
        Box::<replicas::Replicas>::default(),
        Box::<gate::Gate>::default(),
        Box::<sink::Sink>::default(),
        Box::new(wrong::Wrong),
    ]
}
