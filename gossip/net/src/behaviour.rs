//! All behaviours of the swarm, in the order in which they judge a new connection.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{gossipsub, request_response};

use crate::gated::Gated;
use crate::listener::Listener;
use crate::options::Limits;
use crate::roster::Shared;
use crate::{gossip, join, substream};

/// Join calls that one connection may have under way, and how long each may take.
const JOINS: usize = 32;
/// See [`JOINS`].
pub(crate) const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The behaviours.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// Fixes the standing and keeps strangers few; must come first.
    pub(crate) listener: Listener,
    /// Numbers of connections.
    pub(crate) limits: connection_limits::Behaviour,
    /// For everybody.
    pub(crate) join: request_response::Behaviour<join::Codec>,
    /// Lanes and heartbeat, by standing.
    pub(crate) substreams: substream::Behaviour,
    /// For members.
    pub(crate) gossip: Gated<gossipsub::Behaviour>,
}

impl Behaviour {
    /// All of them, with their limits set.
    pub(crate) fn new(table: &Shared, limits: Limits) -> Self {
        let connections = ConnectionLimits::default()
            .with_max_established(Some(limits.established))
            .with_max_pending_incoming(Some(limits.pending_inbound));
        let config =
            request_response::Config::default().with_request_timeout(JOIN_TIMEOUT).with_max_concurrent_streams(JOINS);
        let protocols = [(join::PROTOCOL, request_response::ProtocolSupport::Full)];
        Self {
            listener: Listener::new(table.clone(), limits),
            limits: connection_limits::Behaviour::new(connections),
            join: request_response::Behaviour::with_codec(join::Codec, protocols, config),
            substreams: substream::Behaviour::new(table.clone()),
            gossip: Gated::new(gossip::behaviour(), table.clone()),
        }
    }
}
