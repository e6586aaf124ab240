//! Starting the network: the listener is bound, then the actor runs, and the handle speaks to it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt as _;
use libp2p::core::transport::TransportError;
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, swarm};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actor::{Actor, Parts};
use crate::address::{to_multiaddr, to_socket_addr};
use crate::behaviour::Behaviour;
use crate::counters::Counters;
use crate::error::root;
use crate::handle::Inner;
use crate::roster::Shared;
use crate::routes::Routes;
use crate::{Error, Handle, Identity, Inbox, Options, Roster, Transport, inbox};

/// Messages that wait for the actor.
const MESSAGES: usize = 1024;
/// Substreams of one connection that may be under negotiation.
const NEGOTIATING: usize = 32;

/// Starts the network. The listener is bound, and its limits are in force, when this returns.
///
/// # Errors
/// [`Error::Listen`] if the address cannot be bound.
pub async fn start(
    options: Options,
    identity: Identity,
    transport: Transport,
    roster: Roster,
) -> Result<(Handle, Inbox), Error> {
    let table = Shared::default();
    let own = identity.keypair().public().to_peer_id();
    table.lock().set(&roster, &own);
    let config = swarm::Config::with_tokio_executor().with_max_negotiating_inbound_streams(NEGOTIATING);
    let mut swarm = Swarm::new(transport, Behaviour::new(&table, options.limits), own, config);
    let listen =
        listen(&mut swarm, options.listen).await.map_err(|source| Error::Listen { addr: options.listen, source })?;

    let (messages, message_queue) = mpsc::channel(MESSAGES);
    let (outbox, inbox) = inbox::channels();
    let (connected, connections) = watch::channel(BTreeMap::new());
    let (roster, roster_changes) = watch::channel(roster);
    let (routes, counters) = (Arc::new(Routes::default()), Arc::new(Counters::default()));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let actor = Actor::new(Parts {
        options,
        identity,
        own,
        swarm,
        table,
        roster: roster_changes,
        message_queue,
        messages: messages.clone(),
        outbox,
        routes: Arc::clone(&routes),
        connected,
        counters: Arc::clone(&counters),
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    tasks.spawn(actor.run());
    let guard = stop.clone().drop_guard();
    let shared = Inner { messages, roster, routes, connections, counters, listen, tasks, stop, _guard: guard };
    Ok((Handle::new(shared), inbox))
}

/// Binds `addr` and says where: the address asked for, or the transport's first if that was unspecified.
async fn listen(swarm: &mut Swarm<Behaviour>, addr: SocketAddr) -> io::Result<SocketAddr> {
    let listener = swarm.listen_on(to_multiaddr(addr)).map_err(|error| match error {
        TransportError::Other(error) => root(&error),
        TransportError::MultiaddrNotSupported(addr) => io::Error::new(io::ErrorKind::Unsupported, addr.to_string()),
    })?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, address } if listener_id == listener => {
                let bound = to_socket_addr(&address).ok_or(io::ErrorKind::Unsupported)?;
                let ip = if addr.ip().is_unspecified() { bound.ip() } else { addr.ip() };
                return Ok(SocketAddr::new(ip, bound.port()));
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == listener => {
                return Err(reason.err().map_or_else(|| io::ErrorKind::NotConnected.into(), |error| root(&error)));
            }
            SwarmEvent::ListenerError { listener_id, error } if listener_id == listener => return Err(root(&error)),
            _ => {}
        }
    }
}
