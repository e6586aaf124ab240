//! What the host needs of the rest of the node, as channels and closures. The composition root makes and wires them.

use crate::observer::Event;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use symbi_control::Proposals;
use symbi_model::ledger::Anchor;
use symbi_model::{NodeId, State};
use symbi_sandbox::Driver;
use tokio::sync::{mpsc, oneshot, watch};

/// Carries one frame to a node's bus and brings its reply; it waits for room on the way, as long as the reply may take.
pub type Peers =
    Arc<dyn Fn(NodeId, Bytes, Duration) -> BoxFuture<'static, Result<Bytes, PeerError>> + Send + Sync + 'static>;

/// Waits for room on the way to a node's bus. What is sealed must leave, or its session is worth nothing: so room comes first.
pub type Places = Arc<dyn Fn(NodeId) -> BoxFuture<'static, Result<Place, PeerError>> + Send + Sync + 'static>;

/// Carries one frame, as [`Peers`] does, where there is room for it. It is queued, in order, before the call returns.
pub type Place = Box<dyn FnOnce(Bytes, Duration) -> BoxFuture<'static, Result<Bytes, PeerError>> + Send + 'static>;

/// The host's surroundings.
#[derive(Clone)]
pub struct Ports {
    /// The replicated state, after each change.
    pub state: watch::Receiver<State>,
    /// Where reports go to be agreed on.
    pub proposals: Proposals,
    /// What starts processes.
    pub driver: Arc<dyn Driver>,
    /// What judges messages.
    pub gate: symbi_policy::Gate,
    /// The way to other nodes' buses for what sessions need beside their messages: hellos, what goes back, their ends. None of it
    /// waits behind messages.
    pub peers: Peers,
    /// Room on the way of messages.
    pub places: Places,
    /// The way to the leader's grants, on the leader too.
    pub grants: mpsc::Sender<GrantCall>,
    /// The wall clock, ms since the Unix epoch.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The time since this machine booted, sleep included (`CLOCK_BOOTTIME`).
    pub boottime: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Told of every effect that passed a gate or was refused, and of every one accepted or refused here.
    pub observer: Arc<dyn Fn(Event) + Send + Sync>,
}

/// A request for a grant.
#[derive(Debug)]
pub struct GrantCall {
    /// The node's boot count.
    pub boot: u64,
    /// How far the ledger has come, if the cluster does not know it yet.
    pub anchor: Option<Anchor>,
    /// `(term, read index)` of the grant; none if it was refused. Dropped counts as refused.
    pub reply: oneshot::Sender<Option<(u64, u64)>>,
}

/// Why a frame brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It certainly did not arrive.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// The time was up; it may have arrived.
    #[error("the node did not answer in time")]
    TimedOut,
    /// The connection broke after it was sent; it may have arrived.
    #[error("the connection broke before the answer")]
    Broken,
}
