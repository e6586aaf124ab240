//! The oracles: each judges one property of a history, event by event, and knows nothing of what was done to the world.

mod addressed;
mod bans;
mod denials;
mod election;
mod endings;
mod gate;
mod ledgers;
mod linearizable;
mod nonces;
mod once;
mod order;
mod removed;
mod replicas;
mod sink;
#[cfg(test)]
mod tests;
mod unknown;
mod untold;
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
        Box::<addressed::Addressed>::default(),
        Box::<once::Once>::default(),
        Box::<order::Order>::default(),
        Box::<endings::Endings>::default(),
        Box::<unknown::Unknown>::default(),
        Box::<untold::Untold>::default(),
        Box::<removed::Removed>::default(),
        Box::<bans::Bans>::default(),
        Box::<denials::Denials>::default(),
        Box::<nonces::Nonces>::default(),
        Box::<linearizable::Linearizable>::default(),
        Box::new(ledgers::Ledgers),
        Box::new(wrong::Wrong),
    ]
}
