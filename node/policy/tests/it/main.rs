//! The policy crate from outside: the gate, the check of policy sets, and credentials.

mod check;
mod credential;
mod fixture;
mod gate;
mod outsider;
mod sets;
mod verdicts;
