//! The join protocol, both ways: join calls to addresses, join calls of strangers, and vouching.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;
use libp2p::request_response::{Event, InboundRequestId, Message, OutboundFailure, OutboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use symbi_model::NodeId;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Actor;
use super::dial::describe;
use super::link::{End, Phase};
use crate::JoinCallError;
use crate::address::to_multiaddr;
use crate::behaviour::JOIN_TIMEOUT;
use crate::identity::node_of;
use crate::inbox::{JoinCall, Vouch};
use crate::join::{Answer, Ask, MAX_JOIN_BODY};
use crate::message::JoinReply;
use crate::roster::Standing;

/// How long a stranger waits between two wishes to be vouched for, and how often one is passed on.
const VOUCHING: Duration = Duration::from_secs(5);

/// The join protocol's state.
#[derive(Default)]
pub(super) struct Joins {
    /// Addresses being dialled, and the calls that wait for it.
    dials: BTreeMap<ConnectionId, Dial>,
    /// What we asked.
    asked: BTreeMap<OutboundRequestId, Asked>,
    /// Answers to what we were asked.
    pub(super) answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// When a peer's wish to be vouched for was last passed on.
    vouched: BTreeMap<PeerId, Instant>,
}

/// An address being dialled.
struct Dial {
    /// The address.
    addr: SocketAddr,
    /// Bodies to send when it stands, and where their answers go.
    waiting: Vec<(Bytes, JoinReply)>,
}

/// A question of ours.
enum Asked {
    /// For a caller of the handle.
    Join {
        /// Whom.
        peer: PeerId,
        /// To send it again, if it may have gone to a connection that was being closed.
        again: Option<(SocketAddr, Bytes)>,
        /// Where the answer goes.
        reply: JoinReply,
    },
    /// To have us vouched for.
    Admit(ConnectionId),
}

/// An answer of ours that is ready.
pub(super) struct Answered {
    /// Where it goes.
    channel: ResponseChannel<Answer>,
    /// What it is; none leaves the question unanswered.
    answer: Option<Answer>,
    /// Whom a member vouched for, and until which index.
    vouched: Option<(PeerId, u64)>,
}

impl Joins {
    /// Whether a caller awaits an answer of `peer`.
    pub(super) fn has_calls_to(&self, peer: &PeerId) -> bool {
        self.asked.values().any(|asked| matches!(asked, Asked::Join { peer: asked, .. } if asked == peer))
    }
}

impl Actor {
    /// A join call: over a connection to that address if there is one, else dials.
    pub(super) fn on_join_call(&mut self, addr: SocketAddr, body: Bytes, reply: JoinReply) {
        let open = self.links.values().find(|link| link.end == End::Open && link.addr == Some(addr));
        if let Some(peer) = open.map(|link| link.peer) {
            self.ask_join(peer, addr, body, reply);
            return;
        }
        if let Some(dial) = self.joins.dials.values_mut().find(|dial| dial.addr == addr) {
            dial.waiting.push((body, reply));
            return;
        }
        let opts = DialOpts::unknown_peer_id().address(to_multiaddr(addr)).allocate_new_port().build();
        let connection = opts.connection_id();
        match self.parts.swarm.dial(opts) {
            Ok(()) => {
                self.joins.dials.insert(connection, Dial { addr, waiting: vec![(body, reply)] });
            }
            Err(error) => {
                let _ = reply.send(Err(JoinCallError::Dial(describe(&error))));
            }
        }
    }

    /// Sends a join call to a connected peer, on a connection that the library chooses.
    fn ask_join(&mut self, peer: PeerId, addr: SocketAddr, body: Bytes, reply: JoinReply) {
        let at_risk = self.links.values().any(|link| link.peer == peer && link.end != End::Open);
        let again = at_risk.then(|| (addr, body.clone()));
        let id = self.parts.swarm.behaviour_mut().join.send_request(&peer, Ask::Join(body));
        self.joins.asked.insert(id, Asked::Join { peer, again, reply });
    }

    /// The dial of a join call stands.
    pub(super) fn on_join_dialled(&mut self, connection: ConnectionId) {
        let Some(dial) = self.joins.dials.remove(&connection) else { return };
        let Some(peer) = self.links.get(&connection).map(|link| link.peer) else { return };
        for (body, reply) in dial.waiting {
            self.ask_join(peer, dial.addr, body, reply);
        }
    }

    /// The dial of a join call failed.
    pub(super) fn on_join_dial_failed(&mut self, connection: ConnectionId, reason: &str) {
        let Some(dial) = self.joins.dials.remove(&connection) else { return };
        for (_, reply) in dial.waiting {
            let _ = reply.send(Err(JoinCallError::Dial(reason.to_owned())));
        }
    }

    /// Asks the peer to have us vouched for.
    pub(super) fn ask_admission(&mut self, connection: ConnectionId) {
        let index = self.parts.table.lock().own_index();
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.phase = Phase::Refused { again: None };
        let id = self.parts.swarm.behaviour_mut().join.send_request(&link.peer, Ask::Admit(index));
        self.joins.asked.insert(id, Asked::Admit(connection));
    }

    /// Asks again where it is time, and forgets old vouchings.
    pub(super) fn tick_joins(&mut self) {
        let now = Instant::now();
        let is_due = |phase| matches!(phase, Phase::Refused { again: Some(again) } if again <= now);
        let due: Vec<_> =
            self.links.iter().filter(|(_, link)| link.is_usable() && is_due(link.phase)).map(|(id, _)| *id).collect();
        for connection in due {
            self.ask_admission(connection);
        }
        self.joins.vouched.retain(|_, at| at.elapsed() < VOUCHING);
    }

    /// Takes an event of the join protocol.
    pub(super) fn on_join_event(&mut self, event: Event<Ask, Answer>) {
        match event {
            Event::Message { connection_id, peer, message: Message::Request { request_id, request, channel } } => {
                match request {
                    Ask::Join(body) => {
                        if let Some(link) = self.links.get_mut(&connection_id) {
                            link.joins.insert(request_id);
                        }
                        self.on_join(peer, body, channel);
                    }
                    Ask::Admit(index) => self.on_admit(peer, index, channel),
                    Ask::Garbage => self.on_bad_join(connection_id, peer),
                }
            }
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                self.on_answer(request_id, response);
            }
            Event::OutboundFailure { request_id, error, .. } => self.on_ask_failed(request_id, error),
            Event::InboundFailure { connection_id, request_id, .. }
            | Event::ResponseSent { connection_id, request_id, .. } => self.finish_join(connection_id, request_id),
        }
    }

    /// A stranger's question is dealt with; its connection may be waiting for that.
    fn finish_join(&mut self, connection: ConnectionId, request: InboundRequestId) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.joins.remove(&request);
            link.answered = Some(Instant::now());
        }
        self.review(connection);
    }

    /// A question that was none closes its connection.
    fn on_bad_join(&mut self, connection: ConnectionId, peer: PeerId) {
        if self.parts.counters.bad_joins.add() {
            tracing::warn!(%peer, "a bad join frame closed a connection; more of these at debug level");
        } else {
            tracing::debug!(%peer, "a bad join frame closed a connection");
        }
        self.close(connection);
    }

    /// Passes a stranger's question on.
    fn on_join(&mut self, peer: PeerId, body: Bytes, channel: ResponseChannel<Answer>) {
        let Some(from) = node_of(&peer) else { return };
        let (reply, answer) = oneshot::channel();
        if self.parts.outbox.joins.try_send(JoinCall { from, body, reply }).is_err() {
            if self.parts.counters.joins_full.add() {
                tracing::warn!("join calls are refused: too many wait");
            }
            return;
        }
        let answered = async move {
            let answer = timeout(JOIN_TIMEOUT, answer).await.ok().and_then(Result::ok);
            let answer = answer.filter(|body| body.len() <= MAX_JOIN_BODY).map(Answer::Join);
            Answered { channel, answer, vouched: None }
        };
        self.joins.answers.push(answered.boxed());
    }

    /// Passes a stranger's wish to be vouched for on, unless we know better.
    fn on_admit(&mut self, peer: PeerId, index: u64, channel: ResponseChannel<Answer>) {
        let Some(node) = node_of(&peer) else { return };
        let (standing, may_be) = {
            let table = self.parts.table.lock();
            (table.standing(&peer), table.may_be_vouched_for(&peer, index))
        };
        let (reply, answer) = oneshot::channel();
        let at_once = match standing {
            Standing::Member | Standing::RaftOnly => Some(true),
            Standing::Stranger if !may_be || self.joins.vouched.contains_key(&peer) => Some(false),
            Standing::Stranger => {
                let passed_on = self.parts.outbox.vouch.try_send(Vouch { peer: node, index, reply }).is_ok();
                (!passed_on).then_some(false)
            }
        };
        if let Some(answer) = at_once {
            self.on_answered(Answered { channel, answer: Some(Answer::Admitted(answer)), vouched: None });
            return;
        }
        self.joins.vouched.insert(peer, Instant::now());
        let answered = async move {
            let yes = matches!(timeout(JOIN_TIMEOUT, answer).await, Ok(Ok(true)));
            Answered { channel, answer: Some(Answer::Admitted(yes)), vouched: yes.then_some((peer, index)) }
        };
        self.joins.answers.push(answered.boxed());
    }

    /// Sends an answer; the stranger's connection is closed when it is sent, if it is a stranger's no longer.
    pub(super) fn on_answered(&mut self, answered: Answered) {
        let Answered { channel, mut answer, vouched } = answered;
        if let Some((peer, index)) = vouched {
            // The roster may have moved on meanwhile, and decides.
            let mut table = self.parts.table.lock();
            let yes = table.vouch(peer, index) || table.standing(&peer) > Standing::Stranger;
            answer = Some(Answer::Admitted(yes));
        }
        if let Some(answer) = answer {
            // A failure means that the connection is gone, which is an event of its own.
            let _ = self.parts.swarm.behaviour_mut().join.send_response(channel, answer);
        }
    }

    /// A question of ours is answered.
    fn on_answer(&mut self, id: OutboundRequestId, answer: Answer) {
        match (self.joins.asked.remove(&id), answer) {
            (Some(Asked::Join { peer, reply, .. }), Answer::Join(body)) => {
                let node = node_of(&peer).unwrap_or(NodeId([0; 32]));
                let _ = reply.send(Ok((node, body)));
                self.review_all(&peer);
            }
            (Some(Asked::Join { reply, .. }), Answer::Admitted(_)) => {
                let _ = reply.send(Err(JoinCallError::Protocol("an answer to another question".to_owned())));
            }
            (Some(Asked::Admit(connection)), Answer::Admitted(true)) => {
                if let Some(peer) = self.links.get(&connection).map(|link| link.peer) {
                    self.close(connection);
                    self.redial_now(peer);
                }
            }
            (Some(Asked::Admit(connection)), _) => self.ask_later(connection),
            (None, _) => {}
        }
    }

    /// A question of ours failed.
    fn on_ask_failed(&mut self, id: OutboundRequestId, error: OutboundFailure) {
        match self.joins.asked.remove(&id) {
            Some(Asked::Join { again: Some((addr, body)), reply, .. })
                if matches!(error, OutboundFailure::ConnectionClosed) =>
            {
                self.on_join_call(addr, body, reply);
            }
            Some(Asked::Join { peer, reply, .. }) => {
                let _ = reply.send(Err(explain(error)));
                self.review_all(&peer);
            }
            Some(Asked::Admit(connection)) => self.ask_later(connection),
            None => {}
        }
    }

    /// We were not vouched for; later, perhaps.
    fn ask_later(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.phase = Phase::Refused { again: Some(Instant::now() + VOUCHING) };
        }
    }

    /// Closes what was only kept for join calls to `peer`.
    fn review_all(&mut self, peer: &PeerId) {
        let of_peer: Vec<_> =
            self.links.iter().filter(|(_, link)| link.peer == *peer).map(|(connection, _)| *connection).collect();
        for connection in of_peer {
            self.review(connection);
        }
    }
}

/// A failed join call in our words.
fn explain(error: OutboundFailure) -> JoinCallError {
    match error {
        OutboundFailure::Timeout => JoinCallError::TimedOut,
        OutboundFailure::UnsupportedProtocols => JoinCallError::Protocol("not offered".to_owned()),
        OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            JoinCallError::Protocol(error.to_string())
        }
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed | OutboundFailure::Io(_) => {
            JoinCallError::Dial("the connection ended before the answer".to_owned())
        }
    }
}
