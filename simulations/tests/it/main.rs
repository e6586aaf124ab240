//! The simulator as a program: deterministic, clean over many seeds, and able to find what it is for.

mod catch_up;
mod meta;
mod planted;
mod program;
mod seeds;
