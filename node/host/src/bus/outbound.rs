//! To another node: how what waits in a send queue is sealed, signed and sent.
//!
//! A session is for one incarnation of the receiver. Whatever shows that it no longer fits (another epoch or node in the
//! state, its age, the receiver's node that no longer knows it, a frame that did not arrive) has another one set up, when
//! what is under way in the old one was replied to, so that messages arrive in the order in which they came: also when the
//! receiver runs on this node by then. A batch is whatever waits when it leaves; nothing waits for one to be full.
//!
//! A connection that ends takes nothing with it that has not left: what waits, and what certainly did not arrive, waits on for the next
//! one, or for the receiver to run elsewhere; at its deadline its sender is told what held it up. Of what was under way the
//! fate is unknown. From the first failure on, until messages leave again, no refusal of a session is the last word: a node
//! that has just come back has not started its agents yet.

use super::clearance::{clear, is_expected, route_to};
use super::credentials::Identity;
use super::envelope::{Cleared, Envelope, GRACE, Route};
use super::establish::{NoSession, establish};
use super::local;
use super::outbound_session::{Call, OutboundSession};
use super::room::Room;
use super::send_queue::{Next, Outgoing, Pushed, SendQueue, Wanted};
use super::sender::Sender;
use crate::ending::{Ending, not_delivered, told_by};
use crate::host::Host;
use crate::ports::{PeerError, Place};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::ledger::{Entry, Fate, Message, MessageBatch};
use symbi_model::{MessageId, NodeId, PolicyNumber, State, codec};
use symbi_proto::session::{self, Extensions, Header, Key, Kind, Said};
use symbi_proto::wire::message::USER_BYTES;
use symbi_proto::wire::{Blob, Carried, MessageFrame, MessageReply, Word};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout_at};

/// How often a message is sent when the session is not known where it arrives.
const ATTEMPTS: u32 = 2;

/// Sends a message by its queue, and waits for how it ends. It has its place among the sender's messages when this is first
/// polled.
pub(super) async fn send(host: &Arc<Host>, sender: &Sender, envelope: Envelope, cleared: Cleared) -> Ending {
    let deadline = envelope.deadline;
    let (told, mut ended) = oneshot::channel();
    let Pushed { queue, number, must_drive } = match sender.send_queues(host).push(envelope, cleared, told) {
        Ok(pushed) => pushed,
        Err(full) => return not_delivered(full.to_string()),
    };
    if must_drive {
        host.spawn(drive(Arc::clone(host), sender.clone(), Arc::clone(&queue)));
    }
    if let Ok(ending) = timeout_at(deadline, &mut ended).await {
        return ending.unwrap_or(Ending::OutcomeUnknown);
    }
    if let Some(expired) = queue.withdraw(number) {
        return expired;
    }
    match timeout_at(deadline + GRACE, &mut ended).await {
        Ok(ending) => ending.unwrap_or(Ending::OutcomeUnknown),
        // It may have come back.
        Err(_) => queue.withdraw(number).unwrap_or(Ending::OutcomeUnknown),
    }
}

/// Sends what waits, until nothing does. Nothing is sealed before there is a place for it on the way: while there is none,
/// messages wait, and end as not delivered when their time is up.
async fn drive(host: Arc<Host>, sender: Sender, queue: Arc<SendQueue>) {
    let mut reserved = None;
    loop {
        // Whoever is ready to send, too, comes first: a batch is what waits when it leaves.
        yield_now().await;
        match queue.next() {
            Next::Idle => return,
            Next::Pause(until) => {
                reserved = None;
                sleep_until(until).await;
                look_again(&host, &queue);
            }
            Next::Clear(number, outgoing) => clear_again(&host, &sender, &queue, number, outgoing),
            Next::Send(route) => {
                if let Err(reason) = advance(&host, &sender, &queue, route, &mut reserved).await {
                    queue.hold_up(reason);
                }
            }
        }
        queue.rest();
    }
}

/// Has what was held up go where its receiver is by now, under the policies of now; while that is nowhere, it is held up on.
fn look_again(host: &Host, queue: &SendQueue) {
    let Some(Wanted { to, .. }) = queue.wanted() else { return };
    let state = host.state();
    let route = route_to(&state, &to);
    let not_yet = match &route {
        Ok(route) if route.node == host.options.node && !host.instances.is_open(&to, route.epoch) => {
            Some(format!("{to} is not running"))
        }
        Err(Ending::NotDelivered { reason }) if is_expected(&state, &to) => Some(reason.clone()),
        _ => None,
    };
    match not_yet {
        Some(reason) => queue.hold_up(reason),
        None => queue.unclear(route.ok(), state.counters.policy_set),
    }
}

/// Judges and routes a message that came back.
fn clear_again(host: &Host, sender: &Sender, queue: &SendQueue, number: u64, mut outgoing: Box<Outgoing>) {
    match clear(host, &sender.speaking_for(&outgoing.envelope.user), &outgoing.envelope) {
        Err(ending) => outgoing.end(ending),
        Ok(cleared) => {
            outgoing.cleared = Some(cleared);
            let must_drive = queue.put_back([(number, outgoing)]);
            debug_assert!(!must_drive, "whoever clears drives");
        }
    }
}

/// Does what is next for the first message, which goes to `route`: sends it with those behind it, or what must come before that.
/// Otherwise everything waits where it was, and this is why.
async fn advance(
    host: &Arc<Host>,
    sender: &Sender,
    queue: &Arc<SendQueue>,
    route: Route,
    reserved: &mut Option<(NodeId, Place)>,
) -> Result<(), String> {
    let is_here = route.node == host.options.node;
    if let Some(open) = queue.open_for(route, host.boot_ms()).filter(|_| !is_here) {
        match Arc::clone(&open.window).try_acquire_owned() {
            Ok(place) => match reserved.take() {
                Some((node, way)) if node == route.node => post(host, sender, queue, &open, route, (place, way)),
                // What is to be done may be something else once there is a place.
                _ => {
                    let way = (host.ports.places)(route.node).await.map_err(|error| error.to_string())?;
                    *reserved = Some((route.node, way));
                }
            },
            // Whether the first message is still the same is looked at again.
            Err(_) => {
                *reserved = None;
                open.room().await;
            }
        }
        return Ok(());
    }
    // A place is held for what can be sent at once. Whoever waits for something else with one in hand keeps it from others, from
    // its own hello too, which needs one.
    *reserved = None;
    if let Some(last) = queue.unsettled() {
        last.settled().await;
        return Ok(());
    }
    let Some(wanted) = queue.wanted() else { return Ok(()) };
    // It may have waited for long.
    if route_to(&host.state(), &wanted.to) != Ok(route) {
        return Err(format!("{} does not run where it ran", wanted.to));
    }
    if is_here {
        enter_here(host, sender, queue, route);
        return Ok(());
    }
    reach(host, sender, queue, wanted, route).await
}

/// Hands messages to their receiver on this node.
fn enter_here(host: &Arc<Host>, sender: &Sender, queue: &SendQueue, route: Route) {
    let (_, taken) = queue.take(route);
    for (_, outgoing) in taken {
        if outgoing.is_stale() {
            outgoing.end(Ending::DeadlineExceeded { delivered: false });
            continue;
        }
        let Outgoing { envelope, cleared, told, .. } = *outgoing;
        let Some(cleared) = cleared else { continue };
        // Whoever has stopped waiting needs no ending.
        match local::enter(host, &sender.speaking_for(&envelope.user), envelope, cleared) {
            Err(ending) => drop(told.send(ending)),
            Ok(entered) => {
                let host_ = Arc::clone(host);
                host.spawn(async move { drop(told.send(entered.ended(&host_).await)) });
            }
        }
    }
}

/// Sets up a session for `route`; if there will be none, nothing that waits for it was delivered.
async fn reach(
    host: &Arc<Host>,
    sender: &Sender,
    queue: &SendQueue,
    wanted: Wanted,
    route: Route,
) -> Result<(), String> {
    match establish(host, sender, wanted, route).await {
        Ok(open) => {
            host.outbound_sessions.insert(&open);
            queue.set_open(open);
        }
        // The time of the most patient of those who waited is up, and the queue tells each so; who came since has time left.
        Err(NoSession::Refused(Ending::DeadlineExceeded { .. })) => {}
        Err(NoSession::Refused(Ending::NotDelivered { reason })) if queue.is_held_up() => return Err(reason),
        Err(NoSession::Refused(ending)) => queue.fail(route, &ending),
        Err(NoSession::HeldUp(error)) => return Err(error.to_string()),
    }
    Ok(())
}

/// A message that was sent, until it was replied to.
struct Flying {
    /// Its place in the queue.
    number: u64,
    /// What was sent.
    envelope: Envelope,
    /// How often it was sent in vain.
    attempts: u32,
    /// What it takes of its sender's room.
    room: Room,
}

/// A batch that is being made.
#[derive(Default)]
struct Making {
    /// As the frame carries them.
    carried: Vec<Carried>,
    /// As the ledger has them.
    lines: Vec<Message>,
    /// As they are awaited.
    flying: Vec<(Flying, oneshot::Sender<Ending>)>,
    /// How long the most patient sender waits.
    patience: Duration,
}

/// Sends one batch of what waits.
fn post(
    host: &Arc<Host>,
    sender: &Sender,
    queue: &Arc<SendQueue>,
    open: &Arc<OutboundSession>,
    route: Route,
    (place, way): (OwnedSemaphorePermit, Place),
) {
    let (policy_set, taken) = queue.take(route);
    let mut state = None;
    let pass = |(number, message)| pass(host, sender, message, &mut state).map(|message| (number, message));
    let passed: Vec<(u64, Box<Outgoing>)> = taken.into_iter().filter_map(pass).collect();
    let Some(state) = state.filter(|_| !passed.is_empty()) else { return };
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
    host.spawn(settle(Arc::clone(host), sender.clone(), Arc::clone(queue), Arc::clone(open), sent, reply, place));
}

/// The effect itself: tested in the moment in which a message leaves, by the `state` that is told; its permit is used up
/// by it.
fn pass(host: &Host, sender: &Sender, mut message: Box<Outgoing>, state: &mut Option<State>) -> Option<Box<Outgoing>> {
    let tested = match message.cleared.take() {
        _ if message.is_stale() => Err(Ending::DeadlineExceeded { delivered: false }),
        Some(cleared) => {
            message.envelope.decision = Some(cleared.permit.reference().decision);
            message.envelope.on_behalf = cleared.on_behalf;
            sender.test(host, message.envelope.kind, cleared.permit)
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
    let mut extensions = Extensions::default();
    if let Some(on_behalf) = &envelope.on_behalf {
        let set = extensions.set(Key::ON_BEHALF, codec::encode(&**on_behalf));
        debug_assert!(set.is_ok(), "a user's name and three ids are short");
    }
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
        extensions,
    }
}

impl Making {
    fn add(&mut self, number: u64, message: Box<Outgoing>, sealed: session::Sealed) {
        let Outgoing { envelope, attempts, room, told, .. } = *message;
        let remaining = envelope.remaining();
        let user = envelope.user.clone();
        debug_assert!(user.len() <= USER_BYTES, "it was checked when it was cleared");
        self.patience = self.patience.max(remaining);
        self.lines.push(Message {
            sequence: sealed.sequence,
            message: envelope.message,
            kind: envelope.kind,
            header: sealed.header,
            user: user.clone(),
            on_behalf: envelope.on_behalf.clone(),
            bytes: envelope.payload.len() as u64,
            deadline_ms: envelope.deadline_ms,
            decision: envelope.decision,
            fate: Fate::Sent,
        });
        let remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
        self.carried.push(Carried { remaining_ms, user, sealed: Blob(sealed.bytes) });
        self.flying.push((Flying { number, envelope, attempts, room }, told));
    }
}

/// Waits for what the receiver's node says of a batch. Its place is free after that.
async fn settle(
    host: Arc<Host>,
    sender: Sender,
    queue: Arc<SendQueue>,
    open: Arc<OutboundSession>,
    sent: Vec<Flying>,
    reply: BoxFuture<'static, Result<Bytes, PeerError>>,
    place: OwnedSemaphorePermit,
) {
    let mut held_up = None;
    let (back, endings) = match reply.await {
        // What never arrived leaves a gap that no later batch closes.
        Err(error @ PeerError::Unreachable(_)) => {
            queue.drop_open(&open);
            held_up = Some(error.to_string());
            (sent, Vec::new())
        }
        reply => {
            let (words, is_spent) = words(reply, sent.len());
            if is_spent {
                queue.drop_open(&open);
            }
            let arrived = sent.iter().zip(&words).filter(|(_, word)| may_have_arrived(word.as_ref()));
            queue.replied(arrived.map(|(flying, _)| flying.number).max());
            sort(sent, words)
        }
    };
    let back = back.into_iter().filter_map(|flying| flying.back(&open));
    let must_drive = queue.put_back_from(&open, back, held_up);
    drop(place);
    // Last, so that whoever hears that a message has ended finds its queue without it.
    open.end(&host.ledger, endings);
    if must_drive {
        drive(host, sender, queue).await;
    }
}

/// Those of a batch that come back, and how others have ended.
fn sort(sent: Vec<Flying>, words: Vec<Option<Word>>) -> (Vec<Flying>, Vec<(MessageId, Ending)>) {
    let (mut back, mut endings) = (Vec::new(), Vec::new());
    for (flying, word) in sent.into_iter().zip(words) {
        let (message, kind) = (flying.envelope.message, flying.envelope.kind);
        match word {
            Some(Word::NoSession) if flying.attempts + 1 < ATTEMPTS => {
                back.push(Flying { attempts: flying.attempts + 1, ..flying });
            }
            // An answer, or word of how it ended, may still come.
            None | Some(Word::Waiting | Word::OutcomeUnknown | Word::Delivered) if kind == Kind::Ask => {}
            Some(Word::Waiting) => {}
            None => endings.push((message, Ending::OutcomeUnknown)),
            Some(word) => endings.push((message, told_by(word))),
        }
    }
    (back, endings)
}

/// Whether a message of which that was said may be in its receiver's mailbox, or have been there.
fn may_have_arrived(word: Option<&Word>) -> bool {
    !matches!(word, Some(Word::NoSession | Word::Denied { .. } | Word::NotDelivered { .. }))
}

impl Flying {
    /// The message as it waits again; none if it has ended meanwhile.
    fn back(self, open: &OutboundSession) -> Option<(u64, Box<Outgoing>)> {
        let Self { number, envelope, attempts, room } = self;
        let Call { told, .. } = open.take(&envelope.message)?;
        Some((number, Box::new(Outgoing { envelope, cleared: None, attempts, room, told })))
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
        Err(_) | Ok(Ok(_) | Err(_)) => (vec![None; count], true),
    }
}
