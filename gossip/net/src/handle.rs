//! The network as the rest of the node has it: calling through it, telling it who the members are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use symbi_model::{GroupId, NodeId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::counters::{Counters, Counts};
use crate::inbox::{Requests, Served};
use crate::lane::caller::Slot;
use crate::message::Message;
use crate::routes::Routes;
use crate::{CallError, Connection, JoinCallError, Lane, Roster, join};

/// The network. Clones are the same one; when the last is dropped, it stops.
#[derive(Clone)]
pub struct Handle {
    /// What all clones share.
    shared: Arc<Inner>,
}

/// What clones of a handle share.
pub(crate) struct Inner {
    /// To the actor.
    pub(crate) messages: mpsc::Sender<Message>,
    /// The newest roster.
    pub(crate) roster: watch::Sender<Roster>,
    /// The lanes that can be called.
    pub(crate) routes: Arc<Routes>,
    /// The queues of those who serve.
    pub(crate) served: Served,
    /// Who is connected.
    pub(crate) connections: watch::Receiver<BTreeMap<NodeId, Connection>>,
    /// What was refused or lost.
    pub(crate) counters: Arc<Counters>,
    /// Where we listen.
    pub(crate) listen: SocketAddr,
    /// The actor and all tasks of connections.
    pub(crate) tasks: TaskTracker,
    /// Stops them.
    pub(crate) stop: CancellationToken,
    /// Stops them when the last handle goes.
    pub(crate) _guard: DropGuard,
}

impl Handle {
    /// The first handle of a network that runs.
    pub(crate) fn new(shared: Inner) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Replaces the roster: members are dialled, connections whose peer's standing changed are closed.
    pub fn set_roster(&self, roster: Roster) {
        self.shared.roster.send_replace(roster);
    }

    /// Sends `body` to `to` on `lane` about `group`, and awaits the answer until `deadline` from now.
    ///
    /// The request has its place in the queue of its lane and group when this returns, before the future is polled: requests
    /// of one lane and group leave in the order of the calls. The queue is bounded; a full one is [`CallError::Full`].
    /// Dropping the future gives up the answer, and the request too if it has not left; but for Raft's appends, heartbeats
    /// and votes, which leave unless their deadline passes first.
    ///
    /// # Panics
    /// Outside a tokio runtime with a timer.
    #[must_use = "the answer comes to the future"]
    pub fn call(
        &self,
        to: NodeId,
        (lane, group): (Lane, GroupId),
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        self.shared.routes.call(to, (lane, group), body, deadline)
    }

    /// Waits for a place in the queue to `to` on `lane` about `group`, large enough for the longest body, so that a call in it
    /// cannot be refused for want of room. Places are given in turn. Dropping the future, or the slot, gives the place back.
    ///
    /// # Errors
    /// Why there will be none: as for [`Self::call`], and never after something was sent.
    #[must_use = "the slot comes to the future"]
    pub fn reserve(&self, to: NodeId, lane: Lane, group: GroupId) -> BoxFuture<'static, Result<Slot, CallError>> {
        self.shared.routes.reserve(to, lane, group)
    }

    /// Serves `lane` for `group` from now on: its requests come to the queue that this returns, and no longer to an older one.
    /// Until a group is served, and after its queue is dropped, its requests are answered [`CallError::Unsupported`].
    #[must_use]
    pub fn serve(&self, lane: Lane, group: GroupId) -> Requests {
        self.shared.served.add(lane, group)
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

    /// Who listens at `addr`: dials it, if there is no connection to that address, and says whom it met, as the connection proved.
    ///
    /// # Errors
    /// [`JoinCallError::Dial`], [`JoinCallError::TimedOut`].
    pub async fn identify(&self, addr: SocketAddr, deadline: Duration) -> Result<NodeId, JoinCallError> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            let gone = || JoinCallError::Dial("the network has stopped".to_owned());
            self.shared.messages.send(Message::Identify { addr, reply }).await.map_err(|_| gone())?;
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
        self.shared.routes.round_trip(node)
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
