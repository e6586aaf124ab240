//! What decides: where agents are placed, which nodes may act, who replicates and votes.
//!
//! The planners are pure; one actor runs them while its node leads. It sees the replicated state and speaks in
//! proposals: it knows neither Raft, nor the network, nor how an agent is started.

pub mod grants;
pub mod membership;
pub mod placement;
pub mod reconcile;

pub use reconcile::{Grant, GrantRefused, Handle, Options, Ports, Proposals, spawn};
