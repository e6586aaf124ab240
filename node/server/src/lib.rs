//! The node as a library: it wires the crates together. The program `symbi-node` and the simulations start it.

mod bench;
pub mod bootstrap;
pub mod clock;
mod datadir;
mod enrolment;
pub mod failure;
pub mod join;
mod measure;
pub mod membership;
pub mod node;
pub mod options;
mod proposer;
pub mod run;
mod wiring;
mod witness;
