//! What the implementations of this crate's seams must do, as one call each.

mod link;
mod machine;

pub use link::{Inbound, Pair, link};
pub use machine::machine;
