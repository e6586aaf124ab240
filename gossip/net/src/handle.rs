//! The network's face: starting it, calling through it, telling it who the members are.

mod switchboard;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Swarm, swarm};
use symbi_model::NodeId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) use switchboard::Switchboard;

use crate::actor::{Actor, Seed};
use crate::address::{to_multiaddr, to_socket_addr};
use crate::behaviour::Behaviour;
use crate::counters::{Counters, Counts};
use crate::roster::Shared;
use crate::substream::{Open, Refusal};
use crate::{CallError, Error, Identity, Inbox, JoinCallError, Lane, Options, Roster, Transport, inbox, join};

/// Messages that wait for the actor.
const MESSAGES: usize = 1024;
/// Substreams of one connection that may be under negotiation.
const NEGOTIATING: usize = 32;

/// A connection over which lanes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Since when.
    pub since: Instant,
    /// Whether the peer has our Raft lanes only, because a member vouched for it.
    pub raft_only: bool,
}

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// Ask the node at this address something about joining.
    JoinCall {
        /// Where it listens.
        addr: SocketAddr,
        /// What is asked.
        body: Bytes,
        /// Where the answer goes.
        reply: JoinReply,
    },
    /// Publish a view.
    Publish(Bytes),
    /// Close all connections with this node.
    Disconnect(NodeId),
    /// Open a substream.
    Open(ConnectionId, Open),
    /// Our heartbeat was accepted by the peer, or not.
    Pulse(ConnectionId, Result<(), Refusal>),
    /// The peer sent garbage.
    Broken(ConnectionId, io::Error),
}

/// Where the answer of a join call goes.
pub(crate) type JoinReply = oneshot::Sender<Result<(NodeId, Bytes), JoinCallError>>;

/// The network. Clones are the same one; when the last is dropped, it stops.
#[derive(Clone)]
pub struct Handle {
    /// What all clones share.
    shared: Arc<Inner>,
}

/// What clones of a handle share.
struct Inner {
    /// To the actor.
    messages: mpsc::Sender<Message>,
    /// The newest roster.
    roster: watch::Sender<Roster>,
    /// The lanes that can be called.
    switchboard: Arc<Switchboard>,
    /// Who is connected.
    connections: watch::Receiver<BTreeMap<NodeId, Connection>>,
    /// What was refused or lost.
    counters: Arc<Counters>,
    /// Where we listen.
    listen: SocketAddr,
    /// The actor and all tasks of connections.
    tasks: TaskTracker,
    /// Stops them.
    stop: CancellationToken,
    /// Stops them when the last handle goes.
    _guard: DropGuard,
}

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
    let (switchboard, counters) = (Arc::new(Switchboard::default()), Arc::new(Counters::default()));
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let actor = Actor::new(Seed {
        options,
        identity,
        own,
        swarm,
        table,
        roster: roster_changes,
        message_queue,
        messages: messages.clone(),
        outbox,
        switchboard: Arc::clone(&switchboard),
        connected,
        counters: Arc::clone(&counters),
        tasks: tasks.clone(),
        stop: stop.clone(),
    });
    tasks.spawn(actor.run());
    let guard = stop.clone().drop_guard();
    let shared = Inner { messages, roster, switchboard, connections, counters, listen, tasks, stop, _guard: guard };
    Ok((Handle { shared: Arc::new(shared) }, inbox))
}

impl Handle {
    /// Replaces the roster: members are dialled, connections whose peer's standing changed are closed.
    pub fn set_roster(&self, roster: Roster) {
        self.shared.roster.send_replace(roster);
    }

    /// Sends `body` to `to` on `lane`, and awaits the answer until `deadline` from now.
    ///
    /// The request has its place in the lane's queue when this returns, before the future is polled: requests of one
    /// lane leave in the order of the calls. The queue is bounded; a full one is [`CallError::Unreachable`]. Dropping
    /// the future gives up the answer, not the request.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer.
    #[must_use = "the answer comes to the future"]
    pub fn call(
        &self,
        to: NodeId,
        lane: Lane,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        self.shared.switchboard.call(to, lane, body, deadline)
    }

    /// Asks the node that listens at `addr`, whoever it is, something on `/symbi/join/1`; its answer comes with its
    /// identity, which the connection proved. Calls to one address share a connection while it lasts; a call that
    /// meets one just being closed is sent again, so it may be carried out twice.
    ///
    /// # Errors
    /// [`JoinCallError`]; a body longer than 64 KiB is `Protocol`.
    pub async fn join_call(
        &self,
        addr: SocketAddr,
        body: Bytes,
        deadline: Duration,
    ) -> Result<(NodeId, Bytes), JoinCallError> {
        if body.len() > join::MAX_JOIN_BODY {
            return Err(JoinCallError::Protocol(format!("{} bytes are more than a join frame's", body.len())));
        }
        let (reply, answer) = oneshot::channel();
        let ask = async {
            let gone = || JoinCallError::Dial("the network has stopped".to_owned());
            self.shared.messages.send(Message::JoinCall { addr, body, reply }).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        tokio::time::timeout(deadline, ask).await.unwrap_or(Err(JoinCallError::TimedOut))
    }

    /// Tells all members `view`, signed by this node. A hint: it may be lost, and one too long (about 64 KiB) is.
    pub fn publish(&self, view: Bytes) {
        if self.shared.messages.try_send(Message::Publish(view)).is_err() {
            self.shared.counters.gossip_dropped.add();
        }
    }

    /// How long the last heartbeat took to a connected node and back; none if none has come back yet.
    #[must_use]
    pub fn round_trip(&self, node: &NodeId) -> Option<Duration> {
        self.shared.switchboard.round_trip(node)
    }

    /// Who is connected, in both directions able to talk.
    #[must_use]
    pub fn connections(&self) -> watch::Receiver<BTreeMap<NodeId, Connection>> {
        self.shared.connections.clone()
    }

    /// The address listened on, with the port that was taken.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.shared.listen
    }

    /// What was refused or lost so far.
    #[must_use]
    pub fn counters(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Closes all connections with `node`. A member's is dialled again.
    pub fn disconnect(&self, node: NodeId) {
        if self.shared.messages.try_send(Message::Disconnect(node)).is_err() {
            tracing::warn!(%node, "too busy to close a connection");
        }
    }

    /// Closes the listener and all connections, and waits until every task has ended.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
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

/// The system's error under the transports' wrappers, which all say `Other`.
pub(crate) fn root(error: &io::Error) -> io::Error {
    let (mut kind, mut text) = (error.kind(), error.to_string());
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        text = error.to_string();
        if let Some(error) = error.downcast_ref::<io::Error>() {
            kind = error.kind();
            source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
        } else {
            source = error.source();
        }
    }
    io::Error::new(kind, text)
}
