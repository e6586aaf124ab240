//! What goes back in a session that another node has opened: answers, sealed and signed as any message, and how others
//! ended.
//!
//! One frame is under way at a time, and what has come meanwhile is in the next. A frame that was not replied to is sent
//! again as it is, until nobody waits for anything that is to go back; the other side takes nothing of it twice. So a
//! connection that breaks between question and answer costs the answer only if it stays broken until the deadline.

use super::arrival::accept_answer;
use super::attestation::attest;
use super::envelope::GRACE;
use super::outbound_session::OutboundSession;
use super::return_queue::Return;
use super::router::InboundSession;
use crate::ending::{Ending, fate, told_by, word};
use crate::host::Host;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::ledger::{Attestation, Entry, Fate, Message, MessageBatch};
use symbi_model::{Hash, MessageId, NodeId};
use symbi_proto::session::{Header, Id, Kind, Opened, Said, batch};
use symbi_proto::wire::{Blob, MessageFrame, MessageReply, Word};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How long a frame is waited for before it is sent again.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long after a failure it is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// Sends back what waits, until nothing does.
pub(super) async fn drive(host: Arc<Host>, held: Arc<InboundSession>) {
    loop {
        // Whoever has just ended, too, comes first.
        yield_now().await;
        let Some(portion) = held.returns.take() else { return };
        let until = portion.iter().map(|back| back.deadline).max().unwrap_or_else(Instant::now);
        let frame = seal(&host, &held, portion);
        if !deliver(&host, &held, frame, until).await {
            // What goes back after a gap is worth nothing.
            host.router.close(held.channel.id, held.channel.peer.node);
            return held.returns.give_up();
        }
    }
}

/// Sends `frame` until it is replied to; false if it never was, or there is no such session there.
async fn deliver(host: &Host, held: &InboundSession, frame: Bytes, until: Instant) -> bool {
    loop {
        let reply = (host.ports.peers)(held.channel.peer.node, frame.clone(), PATIENCE).await;
        if let Ok(reply) = reply {
            return matches!(MessageReply::decode(&reply), Ok(MessageReply::Done));
        }
        let until = held.returns.until().map_or(until, |later| later.max(until));
        if Instant::now() >= until + GRACE {
            return false;
        }
        sleep(AGAIN).await;
    }
}

/// Makes a frame of what goes back.
fn seal(host: &Host, held: &InboundSession, portion: Vec<Return>) -> Bytes {
    let (mut answers, mut lines, mut endings) = (Vec::new(), Vec::new(), Vec::new());
    let policy_set = host.ports.state.borrow().counters.policy_set;
    let receiver = &held.receiver;
    let said = Said { epoch: receiver.assignment.epoch, policy_set, time_ms: (host.ports.wall_ms)() };
    let mut session = held.channel.session();
    for Return { asked, ending, .. } in portion {
        let message = asked.message;
        match ending {
            Ending::Answer(payload) if asked.kind == Kind::Ask => {
                let header = header(held, asked);
                match session.seal(&header, &payload) {
                    Ok(sealed) => {
                        lines.push(line(&header, (sealed.sequence, sealed.header), payload.len(), Fate::Sent));
                        answers.push(Blob(sealed.bytes));
                    }
                    Err(error) => {
                        tracing::warn!(agent = %receiver.assignment.name(), %error, "an answer cannot be sealed");
                        endings.push((message, Word::OutcomeUnknown));
                    }
                }
            }
            other => endings.push((message, word(other))),
        }
    }
    let attestation = session.attest(&receiver.cnf, &said);
    drop(session);
    let session = held.channel.id;
    if let Some(attestation) = &attestation {
        host.counters.messages_sent.add(lines.len() as u64);
        host.counters.batches_sent.add(1);
        let attestation = Some(attestation.clone());
        host.ledger.record(Entry::Sent(MessageBatch { session: session.0, attestation, messages: lines }));
    }
    MessageFrame::Returns { session, answers, attestation: attestation.map(Box::new), endings }.encode().into()
}

fn header(held: &InboundSession, asked: Header) -> Header {
    Header {
        kind: Kind::Answer,
        // Known by the ask that it answers: nothing else of it is ever asked for.
        message: asked.message,
        in_reply_to: Some(asked.message),
        sender: asked.receiver,
        receiver: asked.sender,
        sender_epoch: held.receiver.assignment.epoch,
        sender_incarnation: held.receiver.incarnation,
        receiver_epoch: asked.sender_epoch,
        deadline_ms: asked.deadline_ms,
        trace: asked.trace,
        extensions: asked.extensions,
    }
}

fn line(header: &Header, (sequence, digest): (u64, Hash), bytes: usize, fate: Fate) -> Message {
    Message {
        sequence,
        message: header.message,
        kind: header.kind,
        header: digest,
        user: String::new(),
        on_behalf: None,
        bytes: bytes as u64,
        deadline_ms: header.deadline_ms,
        decision: None,
        fate,
    }
}

/// Takes in what comes back in a session that was opened here.
pub(super) fn take(
    host: &Arc<Host>,
    from: NodeId,
    session: Id,
    answers: &[Blob],
    attestation: Option<&Attestation>,
    endings: Vec<(MessageId, Word)>,
) -> MessageReply {
    let Some(open) = host.outbound_sessions.get(session, from) else { return MessageReply::NoSession };
    if open.channel.is_closed() || answers.len() > batch::MESSAGES {
        return MessageReply::NoSession;
    }
    let lines: Vec<Message> = answers.iter().filter_map(|sealed| take_answer(host, &open, &sealed.0)).collect();
    open.end(&host.ledger, endings.into_iter().map(|(message, word)| (message, told_by(word))));
    // Of a frame that was sent again nothing opens.
    if !lines.is_empty() {
        host.counters.messages_received.add(lines.len() as u64);
        open.channel.hold(lines);
        attest(&open.channel, host, attestation);
    }
    MessageReply::Done
}

/// Opens an answer, and ends the ask that it answers, if it comes from no instance that was overtaken.
fn take_answer(host: &Host, open: &OutboundSession, sealed: &[u8]) -> Option<Message> {
    let opened = open.channel.session().open(sealed);
    let Opened { sequence, header, digest, payload } =
        opened.inspect_err(|error| tracing::debug!(agent = %open.peer.name, %error, "an answer does not open")).ok()?;
    let bytes = payload.len();
    let of_peer = header.kind == Kind::Answer
        && header.in_reply_to == Some(header.message)
        && (header.sender_epoch, header.sender_incarnation) == (open.peer.epoch, open.peer.incarnation);
    let fate = if !of_peer {
        Fate::Refused
    } else if open.is_asked(&header.message) {
        let ending = accept_answer(host, Kind::Ask, &open.peer, Ending::Answer(payload));
        let fate = if matches!(ending, Ending::Answer(_)) { fate(&ending) } else { Fate::Refused };
        open.end(&host.ledger, [(header.message, ending)]);
        fate
    } else {
        Fate::Expired
    };
    Some(line(&header, (sequence, digest), bytes, fate))
}
