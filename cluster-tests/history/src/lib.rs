//! Histories of reads and writes per key, and whether they are linearizable.
//!
//! A history is linearizable when its operations can be put in one order in which each takes effect at one instant between
//! its call and its return, and each read sees the write before it (Herlihy & Wing, *Linearizability: A Correctness
//! Condition for Concurrent Objects*, TOPLAS 1990). Keys are independent objects, so each is judged alone. An operation
//! that never returned may have taken effect at any time since its call, or never.
//!
//! [`History`] records, [`History::check`] judges. Pure: whoever records brings the time.

mod contradiction;
mod history;
mod operation;
mod search;

pub use contradiction::Contradiction;
pub use history::{Checked, Error, History, MOST, Ticket};
pub use operation::{Action, Moment, Operation, Value};
