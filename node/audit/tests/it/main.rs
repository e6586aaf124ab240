//! Bundles, whole and damaged, and what damaged bundles can still show.

mod agreed;
mod anchors;
mod applied;
mod bundle;
mod bytes;
mod chain;
mod checkpoints;
mod corpus;
mod export;
mod forged;
mod forgeries;
mod ledgers;
mod mutated;
mod overflow;
#[path = "../../../../cluster-tests/src/seeds.rs"]
mod seeds;
mod tree;
mod unreadable;
