//! What a ledger needs of its node.

use crate::observer::Event;
use ed25519_dalek::SigningKey;
use std::sync::Arc;
use symbi_model::State;
use symbi_store::Engine;
use tokio::sync::watch;

/// What the ledger needs.
pub struct Ports {
    /// This node's key, which signs how far the ledger has come.
    pub key: Arc<SigningKey>,
    /// How often it has started, this time included.
    pub boot: u64,
    /// Where lines are kept.
    pub engine: Arc<dyn Engine>,
    /// The replicated state, after each change.
    pub state: watch::Receiver<State>,
    /// The wall clock, ms since the Unix epoch.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Told how far the cluster has the ledger, and when lines of that are missing.
    pub observer: Arc<dyn Fn(Event) + Send + Sync>,
}
