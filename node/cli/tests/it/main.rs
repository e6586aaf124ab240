//! The program's tests, the command line as golden text; and the rules of the house, for the whole workspace.

mod answers;
mod audit;
mod colour;
mod directories;
mod failures;
mod help;
mod joins;
mod loops;
mod nodes;
mod people;
mod program;
mod proofs;
mod readme;
mod specs;
mod tidy;
mod usage;
