//! Real nodes for tests: processes of the built `symbi-node` on loopback, each with a data directory under one short
//! temporary directory.
//!
//! What a test starts ends with it: dropping a [`Node`] kills its process, and a failed test prints the last lines of each
//! node's standard error. Conditions are awaited by [`eventually`]; nothing here sleeps in the hope that something has
//! happened.

pub mod agents;
mod binary;
mod cli;
mod cluster;
mod node;
mod ports;
pub mod registers;
pub mod seeds;
pub mod skipped;
pub mod small_disk;
mod wait;
pub mod writers;

pub use binary::binary;
pub use cli::{Ran, Verb, symbi, symbi_after};
pub use cluster::Cluster;
pub use node::Node;
pub use ports::free_port;
pub use wait::eventually;

/// The time-out of anything that takes moments on an idle machine: generous, since a test never waits for it in vain unless it fails.
pub const SOON: std::time::Duration = std::time::Duration::from_secs(30);
