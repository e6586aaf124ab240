//! One open connection, as the actor sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::request_response::InboundRequestId;
use symbi_model::NodeId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::address::to_socket_addr;
use crate::lane::keepalive::Heard;
use crate::roster::Standing;
use crate::substream::Slot;

/// What the peer thinks of us, learnt from what it does with our heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not known yet.
    Opening,
    /// It takes our heartbeat: we can talk.
    Up,
    /// It takes us for a stranger.
    Refused {
        /// When to ask it again to have us vouched for; none while it is being asked.
        again: Option<Instant>,
    },
}

/// What is left of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It goes on.
    Open,
    /// It closes when its join calls are answered, or at this time.
    Draining(Instant),
    /// It is being closed.
    Closing,
}

/// The connection.
pub(super) struct Link {
    /// The peer.
    pub(super) peer: PeerId,
    /// The node it is.
    pub(super) node: NodeId,
    /// What it may do here.
    pub(super) standing: Standing,
    /// Whether we dialled.
    pub(super) dialled: bool,
    /// Where we dialled.
    pub(super) addr: Option<SocketAddr>,
    /// Since when it is open.
    pub(super) since: Instant,
    /// When the peer was last heard.
    pub(super) heard: Heard,
    /// What the peer thinks of us.
    pub(super) phase: Phase,
    /// What is left of its life.
    pub(super) end: End,
    /// The peer's join calls that are not answered yet.
    pub(super) joins: BTreeSet<InboundRequestId>,
    /// When the last of them was answered.
    pub(super) answered: Option<Instant>,
    /// The peer's open substreams; a newer one of the same kind ends the older.
    pub(super) inbound: BTreeMap<Slot, CancellationToken>,
    /// Ends the connection's tasks.
    pub(super) stop: CancellationToken,
}

impl Link {
    /// A connection just established.
    pub(super) fn new(
        peer: PeerId,
        node: NodeId,
        standing: Standing,
        endpoint: &ConnectedPoint,
        stop: CancellationToken,
    ) -> Self {
        let dialled = endpoint.is_dialer();
        Self {
            peer,
            node,
            standing,
            dialled,
            addr: dialled.then(|| to_socket_addr(endpoint.get_remote_address())).flatten(),
            since: Instant::now(),
            heard: Heard::new(),
            phase: Phase::Opening,
            end: End::Open,
            joins: BTreeSet::new(),
            answered: None,
            inbound: BTreeMap::new(),
            stop,
        }
    }

    /// Whether lanes may run over it.
    pub(super) fn is_usable(&self) -> bool {
        self.end == End::Open && self.standing > Standing::Stranger
    }
}
