//! A behaviour that only members see: to any other peer's connection it is not there.
//!
//! The decision falls once, when the connection is established, and holds for its life. The inner behaviour hears of
//! admitted connections only, with counts that leave the others out, since behaviours act on "the first connection of
//! this peer". It may not dial: whom to dial is the roster's business.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};

use crate::roster::{Shared, Standing};

/// The wrapper.
pub(crate) struct Gated<B> {
    /// What members see.
    pub(crate) inner: B,
    /// Who is a member.
    table: Shared,
    /// The connections the inner behaviour knows, by peer, in the order they came.
    admitted: BTreeMap<PeerId, BTreeSet<ConnectionId>>,
}

impl<B> Gated<B> {
    /// Shows `inner` to those who are members by `table`.
    pub(crate) fn new(inner: B, table: Shared) -> Self {
        Self { inner, table, admitted: BTreeMap::new() }
    }

    /// Whether the inner behaviour may see this connection.
    fn admits(&self, connection: ConnectionId) -> bool {
        self.table.lock().admitted(connection) == Standing::Member
    }

    /// Whether the inner behaviour was told of this connection.
    fn knows(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.admitted.get(peer).is_some_and(|connections| connections.contains(&connection))
    }

    /// How many connections of `peer` the inner behaviour knows.
    fn count(&self, peer: &PeerId) -> usize {
        self.admitted.get(peer).map_or(0, BTreeSet::len)
    }

    /// Remembers a connection, and says how many others of the peer there were.
    fn insert(&mut self, peer: PeerId, connection: ConnectionId) -> usize {
        let others = self.count(&peer);
        self.admitted.entry(peer).or_default().insert(connection);
        others
    }

    /// Forgets a connection, and says how many others of the peer are left.
    fn remove(&mut self, peer: PeerId, connection: ConnectionId) -> usize {
        if let Some(connections) = self.admitted.get_mut(&peer) {
            connections.remove(&connection);
        }
        let left = self.count(&peer);
        if left == 0 {
            self.admitted.remove(&peer);
        }
        left
    }

    /// Aims an event for "any connection of the peer" at one that has the inner handler.
    fn aim(&self, peer: &PeerId, handler: NotifyHandler) -> Option<NotifyHandler> {
        match handler {
            NotifyHandler::Any => self.admitted.get(peer)?.last().map(|connection| NotifyHandler::One(*connection)),
            NotifyHandler::One(connection) => self.knows(peer, connection).then_some(handler),
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Gated<B> {
    type ConnectionHandler = Either<THandler<B>, dummy::ConnectionHandler>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.admits(connection) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner.handle_established_inbound_connection(connection, peer, local, remote).map(Either::Left)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.admits(connection) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner.handle_established_outbound_connection(connection, peer, addr, role, port).map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let event = match event {
            FromSwarm::ConnectionEstablished(event) => {
                if !self.admits(event.connection_id) {
                    return;
                }
                let other_established = self.insert(event.peer_id, event.connection_id);
                FromSwarm::ConnectionEstablished(ConnectionEstablished { other_established, ..event })
            }
            FromSwarm::ConnectionClosed(event) => {
                if !self.knows(&event.peer_id, event.connection_id) {
                    return;
                }
                let remaining_established = self.remove(event.peer_id, event.connection_id);
                FromSwarm::ConnectionClosed(ConnectionClosed { remaining_established, ..event })
            }
            FromSwarm::AddressChange(event) if !self.knows(&event.peer_id, event.connection_id) => return,
            other => other,
        };
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            let event = match self.inner.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::Dial { .. }) => continue,
                Poll::Ready(event) => event,
            };
            return Poll::Ready(match event {
                ToSwarm::NotifyHandler { peer_id, handler, event } => match self.aim(&peer_id, handler) {
                    Some(handler) => ToSwarm::NotifyHandler { peer_id, handler, event: Either::Left(event) },
                    None => continue,
                },
                other => other.map_in(Either::Left),
            });
        }
    }
}
