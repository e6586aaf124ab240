//! The node as a library: it wires the crates together. The program of the same name and the simulations start it.

pub mod admission;
pub mod bench;
pub mod bootstrap;
pub mod clock;
pub mod datadir;
pub mod failure;
pub mod join;
pub mod measure;
pub mod node;
pub mod options;
pub mod proposer;
pub mod run;
pub mod wiring;
