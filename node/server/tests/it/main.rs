//! The node's own tests: the rules of the house, and the command line as golden text.

mod answers;
mod audit;
mod colour;
mod directories;
mod failures;
mod help;
mod joins;
mod loops;
mod nodes;
mod program;
mod proofs;
mod readme;
mod specs;
mod tidy;
mod usage;
