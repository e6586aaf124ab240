//! What nodes say to each other, seen from outside.

mod corpus;
mod fixture;
mod golden;
mod join;
mod mutations;
#[path = "../../../../cluster-tests/src/seeds.rs"]
mod seeds;
mod session;
mod token;
mod wire;
