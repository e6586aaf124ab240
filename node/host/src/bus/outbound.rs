//! To another node: the sessions that a sender has opened, one for each receiver, and the way of a message through one.
//!
//! A session is for one incarnation of the receiver. Whatever shows that it no longer fits (another epoch or node in the
//! state, its age, the receiver's node that no longer knows it) has another one set up, under the lock of its slot, so that
//! messages leave in the order in which they came. A session outlives the connection that it was set up over: its keys are
//! bound to the two nodes, its counters only rise.

use super::arrival::{Answerer, accept_answer};
use super::hop::Hop;
use super::{Parcel, Route, Sanction, Sender, not_delivered, papers};
use crate::ending::Ending;
use crate::host::Host;
use crate::ports::PeerError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::{NodeId, State};
use symbi_policy::credential::Subject;
use symbi_proto::session::{Header, Id, Initiator, Kind, Party, Session};
use symbi_proto::wire::{MessageFrame, MessageReply};
use tokio::time::timeout_at;

/// How long setting up a session may take.
const HELLO: Duration = Duration::from_secs(5);
/// How long after the deadline the receiver's node may still say how a message ended.
const GRACE: Duration = Duration::from_millis(500);

/// The receiver's node does not know the session: nothing was delivered, and another one may be set up.
pub(super) struct NoSession;

/// The sessions of one sender.
pub(crate) struct Sessions {
    /// By receiver.
    slots: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
}

/// A count of uses, and slots with the count at which each was last used.
type Used = (u64, BTreeMap<AgentName, (u64, Arc<Slot>)>);

/// The place of a session with one receiver: empty, or the one that new messages take. In order of arrival.
type Slot = tokio::sync::Mutex<Option<Arc<Open>>>;

/// A session that stands.
struct Open {
    /// Its keys and counters.
    session: Mutex<Session>,
    /// Its id.
    id: Id,
    /// The receiver's node.
    node: NodeId,
    /// The receiver, as its credential says.
    peer: Answerer,
}

impl Sessions {
    /// None yet, and at most `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "there is room for a session");
        Self { slots: Mutex::default(), capacity }
    }

    /// The slot for `receiver`; the one unused for longest makes room.
    fn slot(&self, receiver: &AgentName) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, slots) = &mut *slots;
        *count += 1;
        if !slots.contains_key(receiver) && slots.len() >= self.capacity {
            let oldest = slots.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            oldest.and_then(|name| slots.remove(&name));
        }
        let (used, slot) = slots.entry(receiver.clone()).or_default();
        *used = *count;
        Arc::clone(slot)
    }
}

/// Sends a message through the session with its receiver, and waits for how it ends.
pub(super) async fn send(
    host: &Arc<Host>,
    sender: &Sender,
    parcel: &Parcel,
    sanction: Sanction,
    route: Route,
) -> Result<Ending, NoSession> {
    let slot = sender.sessions(host).slot(&parcel.to);
    // The line before a slot is in order of first poll, and nothing was awaited before.
    let Ok(mut held) = timeout_at(parcel.deadline, slot.lock()).await else {
        return Ok(Ending::DeadlineExceeded { delivered: false });
    };
    let now_ms = boot_ms(host);
    let open = match held.as_ref().filter(|open| open.fits(route, now_ms)) {
        Some(open) => Arc::clone(open),
        None => match establish(host, sender, parcel, route).await {
            Ok(open) => Arc::clone(held.insert(open)),
            Err(ending) => return Ok(ending),
        },
    };
    let (state, frame) = match seal(host, sender, parcel, sanction, &open) {
        Ok(sealed) => sealed,
        Err(ending) => return Ok(ending),
    };
    debug_assert!(state.cluster.is_some(), "a session stands in a cluster");
    let reply = (host.ports.peers)(route.node, frame, parcel.remaining() + GRACE);
    drop(held);
    match reply.await.map(|reply| MessageReply::decode(&reply)) {
        Err(PeerError::Unreachable(reason)) => Ok(not_delivered(PeerError::Unreachable(reason).to_string())),
        Err(PeerError::TimedOut | PeerError::Broken) => Ok(Ending::OutcomeUnknown),
        Ok(Ok(MessageReply::NoSession)) => {
            let mut held = slot.lock().await;
            if held.as_ref().is_some_and(|kept| kept.id == open.id) {
                *held = None;
            }
            Err(NoSession)
        }
        Ok(reply) => Ok(open.ending(host, parcel, reply)),
    }
}

/// The effect: tested now, sealed, and ready to be posted.
fn seal(
    host: &Host,
    sender: &Sender,
    parcel: &Parcel,
    sanction: Sanction,
    open: &Open,
) -> Result<(State, bytes::Bytes), Ending> {
    let state = sender.test(host, parcel.kind, sanction)?;
    let bearer = sender.bearer(host, &state).ok_or_else(|| not_delivered("this node is no member yet"))?;
    let header = Header {
        kind: parcel.kind,
        message: parcel.message,
        in_reply_to: None,
        sender: bearer.subject.to_string(),
        receiver: parcel.to.to_string(),
        sender_epoch: bearer.epoch,
        sender_incarnation: bearer.incarnation,
        receiver_epoch: open.peer.epoch,
        deadline_ms: parcel.deadline_ms,
        trace: [0; 16],
    };
    let sealed = open.session.lock().unwrap_or_else(PoisonError::into_inner).seal(&header, &parcel.payload);
    let bytes = sealed.map_err(|error| not_delivered(format!("it cannot be sealed: {error}")))?;
    let frame = MessageFrame::Sealed { session: open.id, bytes, attestation: None };
    let hop = Hop { remaining: parcel.remaining(), user: sender.user().to_owned(), frame };
    Ok((state, hop.encode().ok_or_else(|| not_delivered("the user's name is too long"))?))
}

/// Sets up a session with the incarnation that runs where `route` says. Whatever goes wrong, nothing was delivered.
async fn establish(host: &Host, sender: &Sender, parcel: &Parcel, route: Route) -> Result<Arc<Open>, Ending> {
    let state = host.state();
    let bearer = sender.bearer(host, &state).ok_or_else(|| not_delivered("this node is no member yet"))?;
    let cluster = state.cluster.as_ref().ok_or_else(|| not_delivered("there is no cluster yet"))?.id;
    let receiver = Subject::Agent(parcel.to.clone());
    let party = Party {
        cluster,
        node: host.options.node,
        peer: route.node,
        name: bearer.subject.to_string(),
        peer_name: receiver.to_string(),
        signing_key: bearer.cnf.clone(),
        credential: bearer.credential(host, &state, receiver.clone()),
        now_ms: boot_ms(host),
    };
    let (initiator, hello) = Initiator::start(party, host.random(), host.random(), Id(host.random()));
    let reply = greet(host, sender, parcel, route.node, MessageFrame::Hello(Box::new(hello))).await?;
    let MessageReply::Hello(reply) = reply else { return Err(refused(reply)) };
    let verified = papers::verify(host, &reply.credential, &bearer.subject, route.node, parcel.deadline).await;
    let verified = verified.map_err(|reason| not_delivered(format!("the receiver's credential: {reason}")))?;
    if verified.subject != receiver || verified.epoch != route.epoch {
        return Err(not_delivered(format!("{} runs under another epoch by now", parcel.to)));
    }
    let session = initiator.finish(&reply, &verified.cnf);
    let session = session.map_err(|error| not_delivered(format!("no session with {}: {error}", parcel.to)))?;
    let peer = Answerer { name: parcel.to.clone(), epoch: verified.epoch, incarnation: verified.incarnation };
    Ok(Arc::new(Open { id: session.id(), session: Mutex::new(session), node: route.node, peer }))
}

async fn greet(
    host: &Host,
    sender: &Sender,
    parcel: &Parcel,
    node: NodeId,
    frame: MessageFrame,
) -> Result<MessageReply, Ending> {
    let within = parcel.remaining().min(HELLO);
    let hop = Hop { remaining: within, user: sender.user().to_owned(), frame };
    let hop = hop.encode().ok_or_else(|| not_delivered("the user's name is too long"))?;
    match (host.ports.peers)(node, hop, within).await {
        Ok(reply) => MessageReply::decode(&reply).map_err(|error| not_delivered(format!("no session: {error}"))),
        Err(PeerError::TimedOut) if parcel.remaining().is_zero() => Err(Ending::DeadlineExceeded { delivered: false }),
        Err(error) => Err(not_delivered(error.to_string())),
    }
}

/// Why there is no session: nothing was delivered, whatever the other side calls it.
fn refused(reply: MessageReply) -> Ending {
    match reply {
        MessageReply::NotDelivered { reason } => Ending::NotDelivered { reason },
        MessageReply::Denied { decision, reason } => Ending::Denied { decision, reason },
        MessageReply::DeadlineExceeded { .. } => Ending::DeadlineExceeded { delivered: false },
        _ => not_delivered("the receiver's node set up no session"),
    }
}

impl Open {
    /// Whether new messages for `route` may take it.
    fn fits(&self, route: Route, now_ms: u64) -> bool {
        let due = self.session.lock().unwrap_or_else(PoisonError::into_inner).due_for_rekey(now_ms);
        !due && self.node == route.node && self.peer.epoch == route.epoch
    }

    fn ending(&self, host: &Host, parcel: &Parcel, reply: Result<MessageReply, symbi_proto::Error>) -> Ending {
        match reply {
            Ok(MessageReply::Answer(sealed)) => self.answer(host, parcel, &sealed),
            Ok(MessageReply::Delivered) if parcel.kind == Kind::Tell => Ending::Answer(Vec::new()),
            Ok(MessageReply::Denied { decision, reason }) => Ending::Denied { decision, reason },
            Ok(MessageReply::NotDelivered { reason }) => Ending::NotDelivered { reason },
            Ok(MessageReply::DeadlineExceeded { delivered }) => Ending::DeadlineExceeded { delivered },
            Ok(_) | Err(_) => Ending::OutcomeUnknown,
        }
    }

    /// Opens an answer, and takes it if it answers just this message and comes from no instance that was overtaken.
    fn answer(&self, host: &Host, parcel: &Parcel, sealed: &[u8]) -> Ending {
        let opened = self.session.lock().unwrap_or_else(PoisonError::into_inner).open(sealed);
        match opened {
            Ok((header, payload)) if header.kind == Kind::Answer && header.in_reply_to == Some(parcel.message) => {
                accept_answer(host, parcel.kind, &self.peer, Ending::Answer(payload))
            }
            Ok(_) => Ending::OutcomeUnknown,
            Err(error) => {
                tracing::warn!(agent = %self.peer.name, %error, "an answer does not open");
                Ending::OutcomeUnknown
            }
        }
    }
}

/// The clock by which sessions age: it does not jump.
pub(super) fn boot_ms(host: &Host) -> u64 {
    u64::try_from((host.ports.boottime)().as_millis()).unwrap_or(u64::MAX)
}
