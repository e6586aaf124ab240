//! The model's tests through its public face: golden scripts, and random sequences of commands.

mod agents;
mod batches;
mod checkpoints;
mod dedup;
mod gates;
mod joins;
mod leaders;
mod ledgers;
mod placements;
mod policies;
mod random;
mod specs;
mod users;
mod world;
