//! From another node: sessions that others have opened with agents here, and the frames that come in them.
//!
//! What can be done without waiting is done before [`receive`] returns its future, so frames that are received one after
//! the other are in the mailbox in that order.

use super::arrival::{Origin, accept};
use super::hop::Hop;
use super::outbound::boot_ms;
use super::papers::{self, Bearer};
use super::{LONGEST, letter_deadline};
use crate::ending::Ending;
use crate::host::Host;
use crate::instance::Instance;
use crate::letter::{Content, Receipt};
use crate::observer::Effect;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::agent::AgentName;
use symbi_model::{MessageId, NodeId};
use symbi_policy::credential::{Subject, Verified};
use symbi_proto::session::{Header, Hello, Id, Kind, Party, Session, respond};
use symbi_proto::wire::{MessageFrame, MessageReply};
use tokio::time::Instant;

/// The sessions that others have opened with agents of this node.
pub(crate) struct Desk {
    /// By id.
    sessions: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
}

/// A count of uses, and sessions with the count at which each was last used.
type Used = (u64, BTreeMap<Id, (u64, Arc<Held>)>);

/// A session as the receiver's node holds it.
struct Held {
    /// Its keys and counters.
    session: Mutex<Session>,
    /// The sender's node.
    peer: NodeId,
    /// The sender, as its credential says.
    sender: Verified,
    /// The receiver.
    receiver: Arc<Instance>,
}

impl Desk {
    /// None yet, and at most `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "there is room for a session");
        Self { sessions: Mutex::default(), capacity }
    }

    /// Adds a session. The one unused for longest makes room: its sender will set up another.
    fn insert(&self, id: Id, held: Held) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sessions) = &mut *sessions;
        *count += 1;
        if sessions.len() >= self.capacity {
            let oldest = sessions.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|id| sessions.remove(&id));
        }
        sessions.insert(id, (*count, Arc::new(held)));
    }

    /// The session `id` of `peer`, if its receiver still runs.
    fn get(&self, id: Id, peer: NodeId) -> Option<Arc<Held>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, sessions) = &mut *sessions;
        *count += 1;
        let (used, held) = sessions.get_mut(&id).filter(|(_, held)| held.peer == peer)?;
        if held.receiver.ended.is_cancelled() {
            sessions.remove(&id);
            return None;
        }
        *used = *count;
        Some(Arc::clone(held))
    }

    /// Lets go of the sessions of incarnations that have ended.
    pub(crate) fn forget(&self) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.1.retain(|_, (_, held)| !held.receiver.ended.is_cancelled());
    }

    fn close(&self, id: Id, peer: NodeId) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.1.get(&id).is_some_and(|(_, held)| held.peer == peer) {
            sessions.1.remove(&id);
        }
    }
}

/// Receives a frame from the node `from`, and gives the reply.
pub(crate) fn receive(host: &Arc<Host>, from: NodeId, bytes: &[u8]) -> BoxFuture<'static, Bytes> {
    let Some(hop) = Hop::decode(bytes) else {
        return reply(refusal("the frame cannot be read"));
    };
    let deadline = Instant::now() + hop.remaining.min(LONGEST);
    match hop.frame {
        MessageFrame::Hello(hello) => {
            let host = Arc::clone(host);
            async move { greet(&host, from, &hello, deadline).await.encode().into() }.boxed()
        }
        MessageFrame::Sealed { session, bytes, .. } => {
            let Some(held) = host.desk.get(session, from) else { return reply(MessageReply::NoSession) };
            match take(host, &held, &hop.user, &bytes, deadline) {
                Ok((header, receipt)) => finish(held, header, receipt, deadline).boxed(),
                Err(refused) => reply(refused),
            }
        }
        MessageFrame::Close { session } => {
            host.desk.close(session, from);
            reply(MessageReply::Delivered)
        }
    }
}

fn reply(reply: MessageReply) -> BoxFuture<'static, Bytes> {
    std::future::ready(reply.encode().into()).boxed()
}

fn refusal(reason: impl Into<String>) -> MessageReply {
    MessageReply::NotDelivered { reason: reason.into() }
}

/// Sets up a session between a sender elsewhere and an agent here.
async fn greet(host: &Host, from: NodeId, hello: &Hello, deadline: Instant) -> MessageReply {
    let Ok(name) = hello.receiver.parse::<AgentName>() else { return refusal("the receiver's name is none") };
    let audience = Subject::Agent(name.clone());
    let sender = match papers::verify(host, &hello.credential, &audience, from, deadline).await {
        Ok(sender) => sender,
        Err(reason) => return refusal(reason),
    };
    let Some(receiver) = host.instances.get(&name) else { return refusal(format!("{name} is not running")) };
    let state = match host.check(&receiver, Effect::Receive) {
        Ok(state) => state,
        Err(refused) => return refusal(format!("the receiver is {refused}")),
    };
    let Some(cluster) = state.cluster.as_ref() else { return refusal("there is no cluster yet") };
    let bearer = Bearer::agent(&receiver);
    let party = Party {
        cluster: cluster.id,
        node: host.options.node,
        peer: from,
        name: audience.to_string(),
        peer_name: sender.subject.to_string(),
        signing_key: bearer.cnf.clone(),
        credential: bearer.credential(host, &state, sender.subject.clone()),
        now_ms: boot_ms(host),
    };
    match respond(party, hello, &sender.cnf, host.random(), host.random()) {
        Ok((session, reply)) => {
            let held = Held { session: Mutex::new(session), peer: from, sender, receiver };
            host.desk.insert(hello.session, held);
            MessageReply::Hello(Box::new(reply))
        }
        Err(error) => refusal(format!("no session with {name}: {error}")),
    }
}

/// Opens a message and puts it in the receiver's mailbox.
fn take(
    host: &Host,
    held: &Held,
    user: &str,
    sealed: &[u8],
    deadline: Instant,
) -> Result<(Header, Receipt), MessageReply> {
    let opened = held.session.lock().unwrap_or_else(PoisonError::into_inner).open(sealed);
    let (header, payload) = opened.map_err(|error| {
        tracing::debug!(peer = %held.peer.short(), %error, "a message does not open");
        MessageReply::NoSession
    })?;
    if header.sender_epoch != held.sender.epoch || header.sender_incarnation != held.sender.incarnation {
        return Err(refusal("the message names another instance than its session"));
    }
    if header.kind == Kind::Answer {
        return Err(refusal("an answer that nobody waits for"));
    }
    let origin = held.origin(user)?;
    let content = Content {
        message: header.message,
        kind: header.kind,
        from: origin.name_for_agents(),
        payload,
        deadline: letter_deadline(header.kind, deadline),
        deadline_ms: header.deadline_ms,
    };
    let to = held.receiver.assignment.name();
    match accept(host, &origin, to, header.receiver_epoch, content) {
        Ok((_, receipt)) => Ok((header, receipt)),
        Err(ending) => Err(plain(ending)),
    }
}

/// Waits for how the message ends, and seals the answer if there is one.
async fn finish(held: Arc<Held>, header: Header, receipt: Receipt, deadline: Instant) -> Bytes {
    let reply = match (receipt.wait(deadline).await, header.kind) {
        (Ending::Answer(payload), Kind::Ask) => held.seal_answer(&header, &payload),
        (Ending::Answer(_), Kind::Tell | Kind::Answer) => MessageReply::Delivered,
        (other, _) => plain(other),
    };
    reply.encode().into()
}

/// An ending that carries nothing of an agent's.
fn plain(ending: Ending) -> MessageReply {
    match ending {
        Ending::Answer(_) | Ending::OutcomeUnknown => MessageReply::OutcomeUnknown,
        Ending::Denied { decision, reason } => MessageReply::Denied { decision, reason },
        Ending::NotDelivered { reason } => MessageReply::NotDelivered { reason },
        Ending::DeadlineExceeded { delivered } => MessageReply::DeadlineExceeded { delivered },
    }
}

impl Held {
    fn origin(&self, user: &str) -> Result<Origin, MessageReply> {
        match &self.sender.subject {
            Subject::Agent(name) => {
                let (epoch, incarnation) = (self.sender.epoch, self.sender.incarnation);
                Ok(Origin::Agent { name: name.clone(), epoch, incarnation })
            }
            Subject::Gateway(_) if user.is_empty() => Err(refusal("a gateway says for whom it speaks")),
            Subject::Gateway(_) => Ok(Origin::Gateway { user: user.to_owned() }),
        }
    }

    fn seal_answer(&self, asked: &Header, payload: &[u8]) -> MessageReply {
        let receiver = &self.receiver;
        let header = Header {
            kind: Kind::Answer,
            // Known by the ask that it answers: nothing else of it is ever asked for.
            message: MessageId(asked.message.0),
            in_reply_to: Some(asked.message),
            sender: asked.receiver.clone(),
            receiver: asked.sender.clone(),
            sender_epoch: receiver.assignment.epoch,
            sender_incarnation: receiver.incarnation,
            receiver_epoch: asked.sender_epoch,
            deadline_ms: asked.deadline_ms,
            trace: asked.trace,
        };
        match self.session.lock().unwrap_or_else(PoisonError::into_inner).seal(&header, payload) {
            Ok(sealed) => MessageReply::Answer(sealed),
            Err(error) => {
                tracing::warn!(agent = %receiver.assignment.name(), %error, "an answer cannot be sealed");
                MessageReply::OutcomeUnknown
            }
        }
    }
}
