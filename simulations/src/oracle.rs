//! The oracles: each judges one property of a history, event by event, and knows nothing of what was done to the world.

mod accepted_epochs;
mod addressed;
mod bans;
mod denials;
mod election;
mod endings;
mod ledgers;
mod linearizable;
mod nonces;
mod once;
mod order;
mod passed_epochs;
mod progress;
mod property;
mod removed;
mod replicas;
#[cfg(test)]
mod tests;
mod unknown;
mod untold;
mod witnesses;
mod wrong;

pub use passed_epochs::RUNS_OUT_AFTER;
pub use property::Oracle;

/// Every oracle, having seen nothing.
#[must_use]
pub fn all() -> Vec<Box<dyn Oracle>> {
    vec![
        Box::<election::Election>::default(),
        Box::<replicas::Replicas>::default(),
        Box::<progress::Progress>::default(),
        Box::<passed_epochs::PassedEpochs>::default(),
        Box::<accepted_epochs::AcceptedEpochs>::default(),
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
        Box::<witnesses::Witnesses>::default(),
        Box::<ledgers::Ledgers>::default(),
        Box::new(wrong::Wrong),
    ]
}
