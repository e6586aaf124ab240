//! Replicas in one process, over the memory link and both engines.

mod bootstrap;
mod chaos;
mod cluster;
mod failover;
mod fixtures;
mod gates;
mod groups;
mod holes;
mod link;
mod machines;
mod membership;
mod reads;
mod recovery;
mod registers;
#[path = "../../../../cluster-tests/src/seeds.rs"]
mod seeds;
mod sent;
mod snapshot;
mod stalls;
mod stops;
mod transfers;
mod writes;
