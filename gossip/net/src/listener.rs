//! The listener: fixes the standing of each new connection, and keeps strangers few.
//!
//! It comes before every other behaviour, so that they find the standing in the table. It refuses peers whose key is
//! not an Ed25519 key, since they can be no node, a peer that has its connections already, and an inbound stranger when
//! as many as the limit are there. (libp2p's own limit for one peer counts connections being closed, too.)

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};

use crate::identity::node_of;
use crate::options::Limits;
use crate::roster::{Shared, Standing};

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// The peer's key is of another kind.
    #[error("the peer's key is not an Ed25519 key")]
    NotANode,
    /// The peer has as many connections as it may.
    #[error("too many connections of one peer")]
    TooManyOfOne,
    /// As many strangers as may be are connected.
    #[error("too many strangers")]
    TooManyStrangers,
}

/// The behaviour.
pub(crate) struct Listener {
    /// Who is who.
    table: Shared,
    /// Inbound connections of strangers.
    strangers: BTreeSet<ConnectionId>,
    /// How many there may be.
    max_strangers: usize,
    /// How many connections one peer may have, those being closed not counted.
    per_peer: usize,
}

impl Listener {
    /// One with these limits.
    pub(crate) fn new(table: Shared, limits: Limits) -> Self {
        let Limits { strangers: max_strangers, per_peer, .. } = limits;
        Self { table, strangers: BTreeSet::new(), max_strangers, per_peer }
    }

    /// Fixes a connection's standing, or refuses it.
    fn admit(&self, connection: ConnectionId, peer: &PeerId) -> Result<Standing, Refused> {
        if node_of(peer).is_none() {
            return Err(Refused::NotANode);
        }
        let mut table = self.table.lock();
        if table.count(peer) >= self.per_peer {
            return Err(Refused::TooManyOfOne);
        }
        Ok(table.admit(connection, peer))
    }

    /// Forgets a connection that ended or was refused.
    fn forget(&mut self, connection: ConnectionId) {
        self.strangers.remove(&connection);
        self.table.lock().forget(connection);
    }
}

impl NetworkBehaviour for Listener {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let standing = self.admit(connection, &peer).map_err(ConnectionDenied::new)?;
        if standing == Standing::Stranger {
            self.strangers.insert(connection);
            if self.strangers.len() > self.max_strangers {
                self.forget(connection);
                return Err(ConnectionDenied::new(Refused::TooManyStrangers));
            }
        }
        debug_assert!(self.strangers.len() <= self.max_strangers);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(connection, &peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(event) => self.forget(event.connection_id),
            FromSwarm::ListenFailure(event) => self.forget(event.connection_id),
            FromSwarm::DialFailure(event) => self.forget(event.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
