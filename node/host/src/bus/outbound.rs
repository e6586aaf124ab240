//! To another node: the queues of a sender, one for each receiver, and how what waits in one is sealed, signed and sent.
//!
//! A session is for one incarnation of the receiver. Whatever shows that it no longer fits (another epoch or node in the
//! state, its age, the receiver's node that no longer knows it, a frame that did not arrive) has another one set up, when
//! what is under way in the old one was replied to, so that messages arrive in the order in which they came. A batch is
//! whatever waits when it leaves; nothing waits for one to be full.

use super::credentials::Identity;
use super::establish::establish;
use super::outbound_session::{Call, OutboundSession};
use super::send_queue::{Next, Outgoing, SendQueue, Sent, UNDER_WAY};
use super::{ATTEMPTS, Cleared, Envelope, Route, Sender, clear, not_delivered};
use crate::ending::Ending;
use crate::host::Host;
use crate::ports::{PeerError, Place};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{Entry, Fate, Message, MessageBatch};
use symbi_model::{NodeId, PolicyNumber, State};
use symbi_proto::session::{self, Extensions, Header, Kind, Said};
use symbi_proto::wire::message::USER_BYTES;
use symbi_proto::wire::{Blob, Carried, MessageFrame, MessageReply, Word};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::yield_now;
use tokio::time::timeout_at;

/// How long after the deadline the receiver's node may still say how a message ended.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// The queues of one sender.
pub(crate) struct Sessions {
    /// By receiver.
    queues: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
}

/// A count of uses, and queues with the count at which each was last used.
type Used = (u64, BTreeMap<AgentName, (u64, Arc<SendQueue>)>);

impl Sessions {
    /// None yet, and at most `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "there is room for a session");
        Self { queues: Mutex::default(), capacity }
    }

    /// The queue to `receiver`; the one unused for longest makes room.
    fn queue(&self, receiver: &AgentName) -> Arc<SendQueue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, queues) = &mut *queues;
        *count += 1;
        if let Some((used, queue)) = queues.get_mut(receiver) {
            *used = *count;
            return Arc::clone(queue);
        }
        if queues.len() >= self.capacity {
            let oldest = queues.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            oldest.and_then(|name| queues.remove(&name));
        }
        let queue = SendQueue::new();
        queues.insert(receiver.clone(), (*count, Arc::clone(&queue)));
        queue
    }

    /// Lets go of sessions that are over.
    pub(super) fn forget(&self) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.1.values().for_each(|(_, queue)| queue.forget());
    }
}

/// Sends a message to another node, and waits for how it ends. It has its place among the sender's messages when this is
/// first polled.
pub(super) async fn send(host: &Arc<Host>, sender: &Sender, envelope: Envelope, cleared: Cleared) -> Sent {
    let queue = sender.sessions(host).queue(&envelope.to);
    let deadline = envelope.deadline;
    let (told, mut ended) = oneshot::channel();
    let outgoing = Outgoing { sender: sender.clone(), envelope, cleared: Some(cleared), attempts: 0, told };
    let Some((number, must_drive)) = queue.push(outgoing) else {
        return Sent::Ended(not_delivered("too many messages wait for its session"));
    };
    if must_drive {
        host.spawn(drive(Arc::clone(host), Arc::clone(&queue)));
    }
    let unknown = || Sent::Ended(Ending::OutcomeUnknown);
    match timeout_at(deadline, &mut ended).await {
        Ok(sent) => sent.unwrap_or_else(|_| unknown()),
        Err(_) if queue.withdraw(number) => Sent::Ended(Ending::DeadlineExceeded { delivered: false }),
        Err(_) => match timeout_at(deadline + GRACE, ended).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) | Err(_) => unknown(),
        },
    }
}

/// Sends what waits, until nothing does. Nothing is sealed before there is room for it on the way: while there is none,
/// messages wait, and end as not delivered when their time is up.
async fn drive(host: Arc<Host>, queue: Arc<SendQueue>) {
    let mut room: Option<(NodeId, Place)> = None;
    loop {
        // Whoever is ready to send, too, comes first: a batch is what waits when it leaves.
        yield_now().await;
        let Ok(place) = Arc::clone(&queue.window).acquire_owned().await else { return };
        match queue.next() {
            Next::Idle => return,
            Next::Clear(number, outgoing) => clear_again(&host, &queue, number, outgoing),
            Next::Send(route) => match queue.open_for(route, boot_ms(&host)) {
                Some(open) => match room.take() {
                    Some((node, way)) if node == route.node => post(&host, &queue, &open, route, (place, way)),
                    // What is to be done may be something else once there is room.
                    _ => match (host.ports.places)(route.node).await {
                        Ok(way) => room = Some((route.node, way)),
                        Err(error) => queue.fail(route, &not_delivered(error.to_string())),
                    },
                },
                None => {
                    room = None;
                    reach(&host, &queue, route).await;
                }
            },
        }
    }
}

/// Judges and routes a message that came back.
fn clear_again(host: &Arc<Host>, queue: &SendQueue, number: u64, mut outgoing: Box<Outgoing>) {
    match clear(host, &outgoing.sender, &outgoing.envelope) {
        Err(ending) => outgoing.end(ending),
        Ok(cleared) if cleared.route.node == host.options.node => {
            let Outgoing { envelope, told, .. } = *outgoing;
            let _ = told.send(Sent::Here(Box::new((envelope, cleared))));
        }
        Ok(cleared) => {
            outgoing.cleared = Some(cleared);
            let must_drive = queue.put_back([(number, outgoing)]);
            debug_assert!(!must_drive, "whoever clears drives");
        }
    }
}

/// Sets up a session for `route`; if there can be none, nothing that waits for it was delivered.
async fn reach(host: &Arc<Host>, queue: &SendQueue, route: Route) {
    if queue.was_for(route) {
        // One place is the driver's own.
        let _ = queue.window.acquire_many(UNDER_WAY - 1).await;
    }
    let Some(wanted) = queue.wanted() else { return };
    match establish(host, wanted, route).await {
        Ok(open) => {
            host.outbound_sessions.insert(&open);
            queue.set_open(open, route);
        }
        // The time of the most patient of those who waited is up, and the queue tells each so; who came since has time left.
        Err(Ending::DeadlineExceeded { .. }) => {}
        Err(ending) => queue.fail(route, &ending),
    }
}

/// A message that was sent, until it was replied to.
struct Flying {
    /// Its place in the queue.
    number: u64,
    /// Who sends it.
    sender: Sender,
    /// What was sent.
    envelope: Envelope,
    /// How often it was sent in vain.
    attempts: u32,
}

/// A batch that is being made.
#[derive(Default)]
struct Making {
    /// As the frame carries them.
    carried: Vec<Carried>,
    /// As the ledger has them.
    lines: Vec<Message>,
    /// As they are awaited.
    flying: Vec<(Flying, oneshot::Sender<Sent>)>,
    /// How long the most patient sender waits.
    patience: Duration,
}

/// Sends one batch of what waits.
fn post(
    host: &Arc<Host>,
    queue: &Arc<SendQueue>,
    open: &Arc<OutboundSession>,
    route: Route,
    (place, way): (OwnedSemaphorePermit, Place),
) {
    let (policy_set, taken) = queue.take(route);
    let mut state = None;
    let pass = |(number, message)| pass(host, message, &mut state).map(|message| (number, message));
    let passed: Vec<(u64, Box<Outgoing>)> = taken.into_iter().filter_map(pass).collect();
    let (Some(state), Some((_, first))) = (state, passed.first()) else { return };
    let sender = first.sender.clone();
    let Some(identity) = sender.identity(host, &state) else {
        passed.into_iter().for_each(|(_, message)| message.end(not_delivered("this node is no member any more")));
        return;
    };
    let (making, attestation) = seal(host, open, &identity, policy_set, passed);
    let Some(attestation) = attestation else { return };
    let Making { carried, lines, flying, patience } = making;
    host.counters.messages_sent.add(lines.len() as u64);
    host.counters.batches_sent.add(1);
    let (batch, first) = (attestation.batch, attestation.first);
    let (mut sent, mut calls) = (Vec::with_capacity(flying.len()), Vec::with_capacity(flying.len()));
    for (sequence, (flying, told)) in (first..).zip(flying) {
        calls.push((flying.envelope.message, Call { kind: flying.envelope.kind, batch, sequence, told }));
        sent.push(flying);
    }
    open.expect(calls);
    let session = open.channel.id;
    host.ledger.record(Entry::Sent(MessageBatch {
        session: session.0,
        attestation: Some(attestation.clone()),
        messages: lines,
    }));
    let frame = MessageFrame::Batch { session, messages: carried, attestation: Some(Box::new(attestation)) };
    let reply = way(frame.encode().into(), patience + GRACE);
    host.spawn(settle(Arc::clone(host), Arc::clone(queue), Arc::clone(open), sent, reply, place));
}

/// The effect itself: tested in the moment in which a message leaves, by the `state` that is told; its permit is used up
/// by it.
fn pass(host: &Host, mut message: Box<Outgoing>, state: &mut Option<State>) -> Option<Box<Outgoing>> {
    let tested = match message.cleared.take() {
        _ if message.is_stale() => Err(Ending::DeadlineExceeded { delivered: false }),
        Some(cleared) => {
            message.envelope.decision = Some(cleared.send_permit.reference().decision);
            message.sender.test(host, message.envelope.kind, cleared.send_permit)
        }
        None => Err(not_delivered("it was not cleared")),
    };
    match tested {
        Ok(by) => {
            *state = Some(by);
            Some(message)
        }
        Err(ending) => {
            message.end(ending);
            None
        }
    }
}

/// Seals messages, and signs those that could be.
fn seal(
    host: &Host,
    open: &OutboundSession,
    identity: &Identity<'_>,
    policy_set: PolicyNumber,
    passed: Vec<(u64, Box<Outgoing>)>,
) -> (Making, Option<symbi_model::ledger::Attestation>) {
    let mut making = Making::default();
    let mut session = open.channel.session();
    for (number, message) in passed {
        let header = header(open, identity, &message.envelope);
        match session.seal(&header, &message.envelope.payload) {
            Ok(sealed) => making.add(number, message, sealed),
            Err(error) => message.end(not_delivered(format!("it cannot be sealed: {error}"))),
        }
    }
    let said = Said { epoch: identity.epoch, policy_set, time_ms: (host.ports.wall_ms)() };
    let attestation = session.attest(identity.cnf, &said);
    (making, attestation)
}

fn header(open: &OutboundSession, identity: &Identity<'_>, envelope: &Envelope) -> Header {
    Header {
        kind: envelope.kind,
        message: envelope.message,
        in_reply_to: None,
        sender: open.name.clone(),
        receiver: open.channel.peer.name.clone(),
        sender_epoch: identity.epoch,
        sender_incarnation: identity.incarnation,
        receiver_epoch: open.peer.epoch,
        deadline_ms: envelope.deadline_ms,
        trace: [0; 16],
        extensions: Extensions::default(),
    }
}

impl Making {
    fn add(&mut self, number: u64, message: Box<Outgoing>, sealed: session::Sealed) {
        let Outgoing { sender, envelope, attempts, told, .. } = *message;
        let remaining = envelope.remaining();
        let user = sender.user().to_owned();
        debug_assert!(user.len() <= USER_BYTES, "it was checked when it was cleared");
        self.patience = self.patience.max(remaining);
        self.lines.push(Message {
            sequence: sealed.sequence,
            message: envelope.message,
            kind: envelope.kind,
            header: sealed.header,
            user: user.clone(),
            bytes: envelope.payload.len() as u64,
            deadline_ms: envelope.deadline_ms,
            decision: envelope.decision,
            fate: Fate::Sent,
        });
        let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        self.carried.push(Carried { remaining_ms, user, sealed: Blob(sealed.bytes) });
        self.flying.push((Flying { number, sender, envelope, attempts }, told));
    }
}

/// Waits for what the receiver's node says of a batch. Its place is free after that.
async fn settle(
    host: Arc<Host>,
    queue: Arc<SendQueue>,
    open: Arc<OutboundSession>,
    sent: Vec<Flying>,
    reply: BoxFuture<'static, Result<Bytes, PeerError>>,
    place: OwnedSemaphorePermit,
) {
    let (words, is_spent) = words(reply.await, sent.len());
    if is_spent {
        queue.drop_open(&open);
    }
    let (mut back, mut endings) = (Vec::new(), Vec::new());
    for (flying, word) in sent.into_iter().zip(words) {
        let (message, kind) = (flying.envelope.message, flying.envelope.kind);
        match word {
            Some(Word::NoSession) if flying.attempts + 1 < ATTEMPTS => {
                if let Some(Call { told, .. }) = open.take(&message) {
                    let Flying { number, sender, envelope, attempts } = flying;
                    let outgoing = Outgoing { sender, envelope, cleared: None, attempts: attempts + 1, told };
                    back.push((number, Box::new(outgoing)));
                }
            }
            // An answer, or word of how it ended, may still come.
            None | Some(Word::Waiting | Word::OutcomeUnknown | Word::Delivered) if kind == Kind::Ask => {}
            Some(Word::Waiting) => {}
            None => endings.push((message, Ending::OutcomeUnknown)),
            Some(word) => endings.push((message, ending(word))),
        }
    }
    open.end(&host, endings);
    let must_drive = queue.put_back(back);
    drop(place);
    if must_drive {
        drive(host, queue).await;
    }
}

/// A word on each of `count` messages, none where nobody knows; and whether the session must take no more.
fn words(reply: Result<Bytes, PeerError>, count: usize) -> (Vec<Option<Word>>, bool) {
    match reply.map(|reply| MessageReply::decode(&reply)) {
        Ok(Ok(MessageReply::Batch(words))) if words.len() == count => {
            let is_spent = words.contains(&Word::NoSession);
            (words.into_iter().map(Some).collect(), is_spent)
        }
        Ok(Ok(MessageReply::NoSession)) => (vec![Some(Word::NoSession); count], true),
        Ok(Ok(MessageReply::Unsupported)) => {
            let reason = "the receiver's node does not know such a frame".to_owned();
            (vec![Some(Word::NotDelivered { reason }); count], true)
        }
        // What never arrived leaves a gap that no later batch closes.
        Err(error @ PeerError::Unreachable(_)) => {
            (vec![Some(Word::NotDelivered { reason: error.to_string() }); count], true)
        }
        Err(PeerError::TimedOut | PeerError::Broken) | Ok(Ok(_) | Err(_)) => (vec![None; count], true),
    }
}

/// The ending that a word of the receiver's node tells of.
pub(super) fn ending(word: Word) -> Ending {
    match word {
        Word::Delivered => Ending::Answer(Vec::new()),
        Word::Denied { decision, reason } => Ending::Denied { decision, reason },
        Word::NotDelivered { reason } => Ending::NotDelivered { reason },
        Word::DeadlineExceeded { delivered } => Ending::DeadlineExceeded { delivered },
        Word::NoSession => not_delivered("the receiver's node does not keep the session"),
        Word::Waiting | Word::OutcomeUnknown => Ending::OutcomeUnknown,
    }
}

/// The clock by which sessions age: it does not jump.
pub(super) fn boot_ms(host: &Host) -> u64 {
    u64::try_from((host.ports.boottime)().as_millis()).unwrap_or(u64::MAX)
}
