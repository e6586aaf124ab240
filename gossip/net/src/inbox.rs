//! What comes in: one bounded channel for each kind, so that a full one never holds up another.

use bytes::Bytes;
use symbi_model::NodeId;
use tokio::sync::{mpsc, oneshot};

use crate::Lane;

/// A request on a lane. Dropping `reply` tells the caller [`crate::CallError::Closed`].
#[derive(Debug)]
pub struct Request {
    /// Who asks; authenticated by the connection.
    pub from: NodeId,
    /// The lane it came on.
    pub lane: Lane,
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

/// The receiving ends. A channel nobody reads holds back its own kind only: lanes of that class wait, join calls,
/// gossip and vouching are refused.
#[derive(Debug)]
pub struct Inbox {
    /// Requests on the lanes append, heartbeat, snapshot and vote.
    pub raft: mpsc::Receiver<Request>,
    /// Requests on the lane control.
    pub control: mpsc::Receiver<Request>,
    /// Requests on the lane message.
    pub message: mpsc::Receiver<Request>,
    /// Requests on the join protocol.
    pub joins: mpsc::Receiver<JoinCall>,
    /// What members published.
    pub gossip: mpsc::Receiver<Gossip>,
    /// Strangers that want to be vouched for.
    pub vouch: mpsc::Receiver<Vouch>,
}

/// The sending ends, held by the actor and by the lanes it serves.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// Of [`Inbox::raft`].
    raft: mpsc::Sender<Request>,
    /// Of [`Inbox::control`].
    control: mpsc::Sender<Request>,
    /// Of [`Inbox::message`].
    message: mpsc::Sender<Request>,
    /// Of [`Inbox::joins`].
    pub(crate) joins: mpsc::Sender<JoinCall>,
    /// Of [`Inbox::gossip`].
    pub(crate) gossip: mpsc::Sender<Gossip>,
    /// Of [`Inbox::vouch`].
    pub(crate) vouch: mpsc::Sender<Vouch>,
}

/// Requests that wait in one class's channel; after that its substreams wait, and then the callers.
const REQUESTS: usize = 256;
/// Join calls and vouchings that wait; one more is refused.
const STRANGERS: usize = 32;
/// Frames of gossip that wait; one more is dropped.
const FRAMES: usize = 256;

/// Makes the channels.
pub(crate) fn channels() -> (Outbox, Inbox) {
    let (raft, raft_out) = mpsc::channel(REQUESTS);
    let (control, control_out) = mpsc::channel(REQUESTS);
    let (message, message_out) = mpsc::channel(REQUESTS);
    let (joins, joins_out) = mpsc::channel(STRANGERS);
    let (gossip, gossip_out) = mpsc::channel(FRAMES);
    let (vouch, vouch_out) = mpsc::channel(STRANGERS);
    let inbox = Inbox {
        raft: raft_out,
        control: control_out,
        message: message_out,
        joins: joins_out,
        gossip: gossip_out,
        vouch: vouch_out,
    };
    (Outbox { raft, control, message, joins, gossip, vouch }, inbox)
}

impl Outbox {
    /// Where requests of `lane` go.
    pub(crate) fn requests(&self, lane: Lane) -> &mpsc::Sender<Request> {
        match lane {
            Lane::Append | Lane::Heartbeat | Lane::Snapshot | Lane::Vote => &self.raft,
            Lane::Control => &self.control,
            Lane::Message => &self.message,
        }
    }
}
