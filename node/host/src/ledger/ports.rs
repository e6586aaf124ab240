//! What a ledger needs of its node.

use crate::observer::Event;
use std::sync::Arc;
use symbi_control::Proposals;
use symbi_model::{NodeId, State};
use symbi_store::Engine;
use tokio::sync::watch;

/// What the ledger needs.
pub struct Ports {
    /// This node.
    pub node: NodeId,
    /// How often it has started, this time included.
    pub boot: u64,
    /// Where lines are kept.
    pub engine: Arc<dyn Engine>,
    /// The replicated state, after each change.
    pub state: watch::Receiver<State>,
    /// Where anchors go to be agreed on.
    pub proposals: Proposals,
    /// The wall clock, ms since the Unix epoch.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Told when anchored lines are missing.
    pub observer: Arc<dyn Fn(Event) + Send + Sync>,
}
