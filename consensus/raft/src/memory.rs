//! The link within one process, for tests and for whoever wants several replicas without a network. It can be cut.
//!
//! It passes [`crate::suite::link`], as the link over libp2p does.

use crate::groups::Groups;
use crate::handle::Replica;
use crate::link::{Kind, Link, LinkError};
use crate::machine::Machine;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many requests of one lane may wait; more find the peer unreachable.
const QUEUE: usize = 1024;

/// Answers the requests that come to a node: from whom, over which lane, what. None refuses.
pub type Serve = Arc<dyn Fn(NodeId, Kind, Bytes) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

/// Connects nodes within this process. A clone is the same mesh.
#[derive(Clone)]
pub struct Mesh {
    /// What changes.
    inner: Arc<Mutex<Inner>>,
    /// How long a request or an answer is on its way.
    latency: Duration,
}

/// Who is there, and who cannot hear whom.
#[derive(Default)]
struct Inner {
    /// Who answers.
    nodes: BTreeMap<NodeId, Serve>,
    /// Pairs that are cut, the lower id first.
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// Requests on their way, by sender, receiver, group and kind.
    queues: BTreeMap<Lane, mpsc::Sender<Sent>>,
    /// Carry them; they end with the mesh.
    carriers: JoinSet<()>,
}

/// What is kept in order, and waits for nothing else: sender, receiver, group and kind.
type Lane = (NodeId, NodeId, GroupId, Kind);

/// A request on its way.
struct Sent {
    /// What.
    request: Bytes,
    /// Where the answer goes; dropped when there is none.
    reply: oneshot::Sender<Bytes>,
}

impl Mesh {
    /// A mesh without nodes.
    #[must_use]
    pub fn new(latency: Duration) -> Self {
        Self { inner: Arc::default(), latency }
    }

    /// Requests to `node` go to `serve` from now on.
    pub fn attach(&self, node: NodeId, serve: Serve) {
        self.inner().nodes.insert(node, serve);
    }

    /// Requests to a replica go to it from now on.
    pub fn attach_replica<M: Machine>(&self, replica: &Replica<M>) {
        let served = replica.clone();
        let serve = move |from, kind, request| served.serve(from, kind, request).map(Result::ok).boxed();
        self.attach(replica.node(), Arc::new(serve));
    }

    /// Requests to a node go to its replicas from now on, by their groups.
    pub fn attach_groups(&self, node: NodeId, groups: &Groups) {
        let groups = groups.clone();
        let serve = move |from, kind, request| groups.serve(from, kind, request).map(Result::ok).boxed();
        self.attach(node, Arc::new(serve));
    }

    /// `node` is gone.
    pub fn detach(&self, node: NodeId) {
        self.inner().nodes.remove(&node);
    }

    /// `one` and `other` cannot hear each other any more.
    pub fn cut(&self, one: NodeId, other: NodeId) {
        self.inner().cuts.insert((one.min(other), one.max(other)));
    }

    /// Everybody can hear everybody again.
    pub fn heal(&self) {
        self.inner().cuts.clear();
    }

    /// The link of `node`.
    #[must_use]
    pub fn link(&self, node: NodeId) -> Arc<dyn Link> {
        Arc::new(Port { mesh: self.clone(), node })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever answers at `to`, if `from` can reach it.
    fn reach(&self, from: NodeId, to: NodeId) -> Option<Serve> {
        self.inner().reach(from, to)
    }

    fn post(&self, lane: Lane, sent: Sent) -> Result<(), LinkError> {
        let (from, to, ..) = lane;
        let mut inner = self.inner();
        if inner.reach(from, to).is_none() {
            return Err(LinkError::Unreachable);
        }
        let queue = match inner.queues.get(&lane) {
            Some(queue) => queue.clone(),
            None => {
                let (sender, queue) = mpsc::channel(QUEUE);
                inner.carriers.spawn(carry(Arc::downgrade(&self.inner), self.latency, lane, queue));
                inner.queues.insert(lane, sender.clone());
                sender
            }
        };
        queue.try_send(sent).map_err(|_| LinkError::Unreachable)
    }
}

impl Inner {
    fn reach(&self, from: NodeId, to: NodeId) -> Option<Serve> {
        let cut = self.cuts.contains(&(from.min(to), from.max(to)));
        self.nodes.get(&to).filter(|_| !cut).cloned()
    }
}

/// Carries the requests of one lane, in order, and their answers as they come.
async fn carry(
    network: std::sync::Weak<Mutex<Inner>>,
    latency: Duration,
    (from, to, _, kind): Lane,
    mut queue: mpsc::Receiver<Sent>,
) {
    let mut answers = JoinSet::new();
    while let Some(Sent { request, reply }) = queue.recv().await {
        tokio::time::sleep(latency).await;
        while answers.try_join_next().is_some() {}
        let Some(inner) = network.upgrade() else { return };
        let mesh = Mesh { inner, latency };
        let Some(serve) = mesh.reach(from, to) else { continue };
        let answer = serve(from, kind, request);
        let network = Arc::downgrade(&mesh.inner);
        answers.spawn(async move {
            let Some(answer) = answer.await else { return };
            tokio::time::sleep(latency).await;
            let Some(inner) = network.upgrade() else { return };
            if (Mesh { inner, latency }).reach(to, from).is_some() {
                // Whoever gave up at the deadline needs no answer.
                drop(reply.send(answer));
            }
        });
    }
}

/// One node's end of the mesh.
struct Port {
    /// The mesh.
    mesh: Mesh,
    /// The node.
    node: NodeId,
}

impl Link for Port {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let (reply, answer) = oneshot::channel();
        let posted = self.mesh.post((self.node, to, group, kind), Sent { request, reply });
        async move {
            posted?;
            match tokio::time::timeout(deadline, answer).await {
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(_)) => Err(LinkError::Closed),
                Err(_) => Err(LinkError::TimedOut),
            }
        }
        .boxed()
    }
}
