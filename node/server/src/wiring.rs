//! Where the parts of a node meet: each file carries one kind of traffic between two of them, and decides nothing.

pub mod call;
pub mod calls;
pub mod decisions;
pub mod inbound;
pub mod leading;
pub mod ledgers;
pub mod link;
pub mod peers;
pub mod remote;
pub mod roster;
pub mod shares;
pub mod view;
