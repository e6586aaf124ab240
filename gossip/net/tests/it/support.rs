//! Nodes for tests, and ways to await what they should come to.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use symbi_model::{GroupId, NodeId};
use symbi_net::{Handle, Identity, Inbox, JoinCall, Lane, Member, Options, Requests, Roster, start, tcp};
use tokio::sync::mpsc;

/// More than anything here takes, on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// The control group.
pub const CONTROL: GroupId = GroupId(0);

/// A running node.
pub struct Node {
    /// Its network.
    pub handle: Handle,
    /// What comes in.
    pub inbox: Inbox,
    /// Who it is.
    pub id: NodeId,
    /// Its key's seed.
    pub seed: u8,
}

/// The loopback address with a free port.
pub fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// The node that `seed` makes.
pub fn id_of(seed: u8) -> NodeId {
    Identity::from_seed([seed; 32]).node()
}

impl Node {
    /// A node that knows nobody.
    pub async fn start(seed: u8) -> Self {
        Self::with(seed, Options::new(loopback())).await
    }

    /// A node that knows nobody, with these options.
    pub async fn with(seed: u8, options: Options) -> Self {
        let identity = Identity::from_seed([seed; 32]);
        let (id, transport) = (identity.node(), tcp(&identity));
        let (handle, inbox) = start(options, identity, transport, Roster::default()).await.expect("a free port");
        Self { handle, inbox, id, seed }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.handle.listen_addr()
    }

    /// A call that should be answered.
    pub async fn call(&self, to: &Self, lane: Lane, body: &'static [u8]) -> Bytes {
        self.handle.call(to.id, (lane, CONTROL), Bytes::from_static(body), LONG).await.expect("an answer")
    }

    /// Waits until lanes run to `to`.
    pub async fn connected(&self, to: NodeId) {
        let mut connections = self.handle.connections();
        within(connections.wait_for(|connections| connections.contains_key(&to))).await.expect("running");
    }

    /// Waits until no lanes run to `to`.
    pub async fn disconnected(&self, to: NodeId) {
        let mut connections = self.handle.connections();
        within(connections.wait_for(|connections| !connections.contains_key(&to))).await.expect("running");
    }

    /// Answers all requests with their lane's name and body, and join calls with their body; leaves a dead inbox.
    pub fn echo(&mut self) {
        let Inbox { append, heartbeat, snapshot, vote, control, message, session, ask, lines, joins, .. } =
            std::mem::replace(&mut self.inbox, closed_inbox());
        for requests in [append, heartbeat, snapshot, vote, control, message, session, ask, lines] {
            tokio::spawn(echo(requests));
        }
        tokio::spawn(echo_joins(joins));
    }
}

/// Channels that nobody will ever write to.
fn closed_inbox() -> Inbox {
    Inbox {
        append: mpsc::unbounded_channel().1,
        heartbeat: mpsc::unbounded_channel().1,
        snapshot: mpsc::unbounded_channel().1,
        vote: mpsc::unbounded_channel().1,
        control: mpsc::unbounded_channel().1,
        message: mpsc::unbounded_channel().1,
        session: mpsc::unbounded_channel().1,
        ask: mpsc::unbounded_channel().1,
        lines: mpsc::unbounded_channel().1,
        joins: mpsc::channel(1).1,
        gossip: mpsc::channel(1).1,
        vouch: mpsc::channel(1).1,
    }
}

async fn echo(mut requests: Requests) {
    while let Some(request) = requests.recv().await {
        let mut answer = format!("{:?} ", request.lane).into_bytes();
        answer.extend_from_slice(&request.body);
        let _ = request.reply.send(answer.into());
    }
}

async fn echo_joins(mut joins: mpsc::Receiver<JoinCall>) {
    while let Some(call) = joins.recv().await {
        let _ = call.reply.send(call.body);
    }
}

/// A roster of these nodes, at an index.
pub fn roster(nodes: &[&Node], own_index: u64) -> Roster {
    let members = nodes.iter().map(|node| (node.id, Member { addr: node.addr() })).collect();
    Roster { members, removed: Arc::default(), own_index }
}

/// Makes all these nodes members of one another, and waits until they can talk.
pub async fn introduce(nodes: &[&Node]) {
    for node in nodes {
        node.handle.set_roster(roster(nodes, 1));
    }
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            node.connected(other.id).await;
        }
    }
}

/// Awaits something that must come.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LONG, future).await.expect("in time")
}

/// Awaits a condition that nothing announces.
pub async fn eventually(condition: impl Fn() -> bool) {
    within(async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            ticks.tick().await;
        }
    })
    .await;
}
