//! Long-lived substreams: opened on a named connection, handed over raw, offered by the connection's standing.
//!
//! libp2p-stream is not used: it opens on a connection of its own choice, dials by itself, drops an inbound substream
//! when nobody is polling, and cannot offer a protocol to some peers only. Substreams are negotiated with plain `V1`,
//! not lazily: the answer "not offered" is how a node learns that the peer takes it for a stranger.

mod handler;

use std::collections::VecDeque;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream};
use tokio::sync::oneshot;

use crate::Lane;
use crate::roster::{Shared, Standing};

/// What a substream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    /// Calls of one lane.
    Lane(Lane),
    /// The heartbeat.
    Keepalive,
}

impl Slot {
    /// What a connection of this standing is offered.
    fn offered(standing: Standing) -> Vec<Self> {
        match standing {
            Standing::Stranger => Vec::new(),
            Standing::RaftOnly => {
                std::iter::once(Self::Keepalive).chain(Lane::RAFT.iter().copied().map(Self::Lane)).collect()
            }
            Standing::Member => {
                std::iter::once(Self::Keepalive).chain(Lane::ALL.iter().copied().map(Self::Lane)).collect()
            }
        }
    }
}

impl AsRef<str> for Slot {
    fn as_ref(&self) -> &str {
        match self {
            Self::Lane(lane) => lane.protocol(),
            Self::Keepalive => "/symbi/pulse/1",
        }
    }
}

/// Why a substream was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The peer does not offer it.
    Unsupported,
    /// It took too long, or the connection failed.
    Failed(String),
}

/// A wish for a substream; dropped unanswered if the connection ends.
#[derive(Debug)]
pub(crate) struct Open {
    /// What for.
    pub(crate) slot: Slot,
    /// Where it goes.
    pub(crate) reply: oneshot::Sender<Result<Stream, Refusal>>,
}

/// A substream a peer opened.
#[derive(Debug)]
pub(crate) struct Inbound {
    /// On which connection.
    pub(crate) connection: ConnectionId,
    /// What for.
    pub(crate) slot: Slot,
    /// The substream, negotiated.
    pub(crate) stream: Stream,
}

/// The behaviour.
pub(crate) struct Behaviour {
    /// Who is offered what.
    table: Shared,
    /// What waits to be polled out.
    events: VecDeque<ToSwarm<Inbound, Open>>,
}

impl Behaviour {
    /// Offers by the standing in `table`.
    pub(crate) fn new(table: Shared) -> Self {
        Self { table, events: VecDeque::new() }
    }

    /// Opens a substream on this very connection.
    pub(crate) fn open(&mut self, peer_id: PeerId, connection: ConnectionId, open: Open) {
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(connection), event: open });
    }

    /// The handler of a new connection.
    fn handler(&self, connection: ConnectionId) -> handler::Handler {
        handler::Handler::new(Slot::offered(self.table.lock().admitted(connection)))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = handler::Handler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(connection))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let (slot, stream) = event;
        self.events.push_back(ToSwarm::GenerateEvent(Inbound { connection, slot, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Whatever fills the queue (the actor, or a handler's event) polls the swarm right after.
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
