//! Tests of the checker, by theme.

mod brute_force;
mod drawing;
mod known;
mod made;
mod random;
mod sizes;
