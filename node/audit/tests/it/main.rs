//! Bundles of chains that the model itself made, whole and damaged.

mod bundle;
mod chain;
mod entries;
mod forged;
mod ledgers;
mod mutated;
#[path = "../../../../cluster-tests/src/seeds.rs"]
mod seeds;
