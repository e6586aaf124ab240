//! What the actor is told: by the handle, and by the tasks of connections.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use libp2p::swarm::ConnectionId;
use symbi_model::NodeId;
use tokio::sync::oneshot;

use crate::JoinCallError;
use crate::substream::{Open, Refusal};

/// A message to the actor.
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
    Keepalive(ConnectionId, Result<(), Refusal>),
    /// The peer sent garbage.
    Broken(ConnectionId, io::Error),
}

/// Where the answer of a join call goes.
pub(crate) type JoinReply = oneshot::Sender<Result<(NodeId, Bytes), JoinCallError>>;
