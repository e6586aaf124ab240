//! What comes in: one queue for each kind and group, so that none that is full holds up another.
//!
//! Requests on lanes are bounded where they come in: a connection has at most its lane's window of each group open here,
//! waiting or being served.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use symbi_model::{GroupId, NodeId};
use tokio::sync::{mpsc, oneshot};

use crate::Lane;

/// A request on a lane. Dropping `reply` tells the caller [`crate::CallError::Closed`].
#[derive(Debug)]
pub struct Request {
    /// Who asks; authenticated by the connection.
    pub from: NodeId,
    /// The lane it came on.
    pub lane: Lane,
    /// The group that it is about.
    pub group: GroupId,
    /// The bytes.
    pub body: Bytes,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Bytes>,
}

/// A request on `/symbi/join/1`, from anybody.
#[derive(Debug)]
pub struct JoinCall {
    /// Who asks; authenticated by the connection, and maybe a stranger.
    pub from: NodeId,
    /// The bytes, at most 64 KiB.
    pub body: Bytes,
    /// Where the answer (at most 64 KiB) goes, within ten seconds.
    pub reply: oneshot::Sender<Bytes>,
}

/// A frame of gossip whose author signed it and is a member.
#[derive(Debug)]
pub struct Gossip {
    /// Who wrote it, not who passed it on.
    pub from: NodeId,
    /// The bytes.
    pub body: Bytes,
}

/// A stranger that says it was enrolled at `index`, an index this node has not reached. Ask a member that has.
#[derive(Debug)]
pub struct Vouch {
    /// The stranger.
    pub peer: NodeId,
    /// The log index by which the stranger is a member, as it says.
    pub index: u64,
    /// True gives its next connection the Raft lanes until the roster has reached `index`.
    pub reply: oneshot::Sender<bool>,
}

/// The receiving ends, of group 0; [`crate::Handle::serve`] makes those of others. A queue nobody reads holds back its own
/// kind and group only: its callers wait, join calls, gossip and vouching are refused.
#[derive(Debug)]
pub struct Inbox {
    /// Requests on the lane append.
    pub append: Requests,
    /// Requests on the lane heartbeat.
    pub heartbeat: Requests,
    /// Requests on the lane snapshot.
    pub snapshot: Requests,
    /// Requests on the lane vote.
    pub vote: Requests,
    /// Requests on the lane control.
    pub control: Requests,
    /// Requests on the lane message.
    pub message: Requests,
    /// Requests on the lane session.
    pub session: Requests,
    /// Requests on the lane ask.
    pub ask: Requests,
    /// Requests on the lane lines.
    pub lines: Requests,
    /// Requests on the join protocol.
    pub joins: mpsc::Receiver<JoinCall>,
    /// What members published.
    pub gossip: mpsc::Receiver<Gossip>,
    /// Strangers that want to be vouched for.
    pub vouch: mpsc::Receiver<Vouch>,
}

/// Requests of one lane and group, in the order in which each connection brought them. The channel has no bound of its own:
/// the windows of the connections are.
pub type Requests = mpsc::UnboundedReceiver<Request>;

/// The queues of those who serve, by lane and group. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served(Arc<RwLock<Queues>>);

/// Where requests go, by lane and group.
type Queues = BTreeMap<(Lane, GroupId), mpsc::UnboundedSender<Request>>;

/// The sending ends, held by the actor and by the lanes it serves.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// Of requests on lanes.
    pub(crate) served: Served,
    /// Of [`Inbox::joins`].
    pub(crate) joins: mpsc::Sender<JoinCall>,
    /// Of [`Inbox::gossip`].
    pub(crate) gossip: mpsc::Sender<Gossip>,
    /// Of [`Inbox::vouch`].
    pub(crate) vouch: mpsc::Sender<Vouch>,
}

/// Join calls and vouchings that wait; one more is refused.
const STRANGERS: usize = 32;
/// Frames of gossip that wait; one more is dropped.
const FRAMES: usize = 256;

/// Makes the channels.
pub(crate) fn channels() -> (Outbox, Inbox) {
    let served = Served::default();
    let of = |lane| served.add(lane, GroupId(0));
    let (joins, joins_out) = mpsc::channel(STRANGERS);
    let (gossip, gossip_out) = mpsc::channel(FRAMES);
    let (vouch, vouch_out) = mpsc::channel(STRANGERS);
    let inbox = Inbox {
        append: of(Lane::Append),
        heartbeat: of(Lane::Heartbeat),
        snapshot: of(Lane::Snapshot),
        vote: of(Lane::Vote),
        control: of(Lane::Control),
        message: of(Lane::Message),
        session: of(Lane::Session),
        ask: of(Lane::Ask),
        lines: of(Lane::Lines),
        joins: joins_out,
        gossip: gossip_out,
        vouch: vouch_out,
    };
    (Outbox { served, joins, gossip, vouch }, inbox)
}

impl Served {
    /// A queue for a lane and group, in the place of an older one.
    pub(crate) fn add(&self, lane: Lane, group: GroupId) -> Requests {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert((lane, group), sender);
        receiver
    }

    /// Puts a request into its queue; false if nobody serves its lane and group here.
    pub(crate) fn hand_on(&self, request: Request) -> bool {
        let queues = self.0.read().unwrap_or_else(PoisonError::into_inner);
        queues.get(&(request.lane, request.group)).is_some_and(|queue| queue.send(request).is_ok())
    }
}
