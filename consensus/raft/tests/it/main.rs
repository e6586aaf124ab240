//! Replicas in one process, over the memory link and both engines.

mod bootstrap;
mod chaos;
mod cluster;
mod failover;
mod link;
mod membership;
mod reads;
mod recovery;
#[path = "../../../../cluster-tests/src/seeds.rs"]
mod seeds;
mod snapshot;
mod stops;
mod writes;
