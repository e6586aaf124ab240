//! From another node: the frames of its senders, and what comes back to senders here.
//!
//! What can be done without waiting is done before [`receive`] returns its future, so frames that are received one after
//! the other are in the mailbox in that order. A batch is replied to at once, with a word on each message; what comes of
//! those that wait goes back by [`super::returns`].

use super::arrival::{Accepted, accept};
use super::attestation;
use super::channel::{Channel, Peer};
use super::credentials::{self, Identity};
use super::envelope::{LONGEST, delivery_deadline};
use super::return_queue::{Return, Returns};
use super::returns;
use super::router::InboundSession;
use super::sessions;
use crate::delivery::{Content, Receipt};
use crate::ending::{Ending, fate, not_delivered, word};
use crate::host::Host;
use crate::observer::Effect;
use bytes::Bytes;
use ed25519_dalek::VerifyingKey;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{self, Entry, Message, OnBehalf};
use symbi_model::{DecisionId, NodeId, codec};
use symbi_policy::credential::Subject;
use symbi_proto::session::{Header, Hello, Id, Key, Kind, Opened, Party, batch, extensions, respond};
use symbi_proto::wire::message::{Attestation, USER_BYTES};
use symbi_proto::wire::{Carried, MessageFrame, MessageReply, Word};
use tokio::time::Instant;

/// Receives a frame from the node `from`, and gives the reply.
pub(crate) fn receive(host: &Arc<Host>, from: NodeId, bytes: &[u8]) -> BoxFuture<'static, Bytes> {
    match MessageFrame::decode(bytes) {
        Err(error) => {
            tracing::debug!(from = %from.short(), %error, "a frame of a session that cannot be read");
            reply(MessageReply::Unsupported)
        }
        Ok(MessageFrame::Hello { remaining_ms, hello }) => {
            let (host, deadline) = (Arc::clone(host), deadline(remaining_ms));
            async move {
                let greeted = greet(&host, from, &hello, deadline).await;
                greeted.unwrap_or_else(|reason| MessageReply::Refused { reason }).encode().into()
            }
            .boxed()
        }
        Ok(MessageFrame::Batch { session, messages, attestation }) => {
            reply(take_batch(host, from, session, messages, attestation.as_deref()))
        }
        Ok(MessageFrame::Returns { session, answers, attestation, endings }) => {
            reply(returns::take(host, from, session, &answers, attestation.as_deref(), endings))
        }
        Ok(MessageFrame::Close { session, why }) => reply(sessions::take(host, from, session, why)),
    }
}

fn reply(reply: MessageReply) -> BoxFuture<'static, Bytes> {
    std::future::ready(reply.encode().into()).boxed()
}

fn deadline(remaining_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(remaining_ms).min(LONGEST)
}

/// Sets up a session between a sender elsewhere and an agent here.
async fn greet(host: &Host, from: NodeId, hello: &Hello, deadline: Instant) -> Result<MessageReply, String> {
    let name: AgentName = hello.receiver.parse().map_err(|_| "the receiver's name is none".to_owned())?;
    let audience = Subject::Agent(name.clone());
    let presented = credentials::check(host, &hello.credential, &audience, from, deadline).await?;
    let receiver = host.instances.get(&name).ok_or_else(|| format!("{name} is not running"))?;
    let state = host.check(&receiver, Effect::Receive).map_err(|refused| format!("the receiver is {refused}"))?;
    let cluster = state.cluster.as_ref().ok_or_else(|| "there is no cluster yet".to_owned())?;
    // Only now: a hello that came before its receiver was there may be sent again as it is.
    let sender = credentials::use_up(host, presented)?;
    let identity = Identity::agent(&receiver);
    let credential = identity.credential(host, &state, sender.subject.clone());
    let (own_name, peer_name) = (audience.to_string(), sender.subject.to_string());
    let party = Party {
        cluster: cluster.id,
        node: host.options.node,
        peer: from,
        name: own_name.clone(),
        peer_name: peer_name.clone(),
        signing_key: identity.cnf.clone(),
        credential: credential.clone(),
        now_ms: host.boot_ms(),
    };
    let no_session = |error: String| format!("no session with {name}: {error}");
    let answered = respond(party, hello, &sender.cnf, host.random(), host.random());
    let (session, reply) = answered.map_err(|error| no_session(error.to_string()))?;
    let key = VerifyingKey::from_bytes(&sender.cnf).map_err(|error| no_session(error.to_string()))?;
    host.ledger.record(Entry::Session(ledger::Session {
        session: hello.session.0,
        began: false,
        name: own_name,
        epoch: identity.epoch,
        peer: from,
        peer_name: peer_name.clone(),
        peer_epoch: sender.epoch,
        credential,
        peer_credential: hello.credential.clone(),
    }));
    let peer = Peer { node: from, name: peer_name, epoch: sender.epoch, key };
    let channel = Channel::new(session, peer);
    sessions::tell(host, host.router.insert(InboundSession { channel, sender, receiver, returns: Returns::default() }));
    Ok(MessageReply::Hello(Box::new(reply)))
}

/// Takes in a batch.
fn take_batch(
    host: &Arc<Host>,
    from: NodeId,
    session: Id,
    messages: Vec<Carried>,
    attestation: Option<&Attestation>,
) -> MessageReply {
    let Some(held) = host.router.get(session, from) else { return MessageReply::NoSession };
    if messages.len() > batch::MESSAGES {
        return MessageReply::NoSession;
    }
    let (mut words, mut lines) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
    for carried in messages {
        let (word, line) = take(host, &held, carried);
        words.push(word);
        lines.extend(line);
    }
    // A batch of which nothing opens is a repetition, or noise.
    if !lines.is_empty() {
        host.counters.messages_received.add(lines.len() as u64);
        held.channel.hold(lines);
        attestation::attest(&held.channel, host, attestation);
    }
    MessageReply::Batch(words)
}

/// Takes in a message: the word on it, and the line that it is in the ledger, if it opens.
fn take(host: &Arc<Host>, held: &Arc<InboundSession>, carried: Carried) -> (Word, Option<Message>) {
    if held.channel.is_closed() {
        return (Word::NoSession, None);
    }
    let opened = held.channel.session().open(&carried.sealed.0);
    let opened = match opened {
        Ok(opened) => opened,
        Err(error @ symbi_proto::Error::Unattested { .. }) => {
            attestation::close(&held.channel, host, &error.to_string(), Vec::new());
            return (Word::NoSession, None);
        }
        Err(error) => {
            tracing::debug!(peer = %held.channel.peer.node.short(), %error, "a message does not open");
            return (Word::NoSession, None);
        }
    };
    let Opened { sequence, header, digest, payload } = opened;
    let (bytes, deadline) = (payload.len() as u64, deadline(carried.remaining_ms));
    let (ending, decision) = match put(host, held, &header, payload, &carried.user, deadline) {
        Ok((mut receipt, decision)) => {
            // An ask may have been answered by now: its answer goes back as a message of its own.
            let ending = if header.kind == Kind::Tell { receipt.told() } else { None };
            if ending.is_none() {
                host.spawn(follow(Arc::clone(host), Arc::clone(held), header.clone(), receipt, deadline));
            }
            (ending, Some(decision))
        }
        Err(ending) => {
            let decision = if let Ending::Denied { decision, .. } = &ending { Some(*decision) } else { None };
            (Some(ending), decision)
        }
    };
    let on_behalf = on_behalf(&header, &held.channel.peer.node).unwrap_or_default();
    let line = Message {
        sequence,
        message: header.message,
        kind: header.kind,
        header: digest,
        user: carried.user,
        on_behalf,
        bytes,
        deadline_ms: header.deadline_ms,
        decision,
        fate: ending.as_ref().map_or(ledger::Fate::Taken, fate),
    };
    (ending.map_or(Word::Waiting, word), Some(line))
}

/// Puts a message in the receiver's mailbox, or in line for it: its receipt, and what allowed it.
fn put(
    host: &Host,
    held: &InboundSession,
    header: &Header,
    payload: Vec<u8>,
    user: &str,
    deadline: Instant,
) -> Result<(Receipt, DecisionId), Ending> {
    if header.sender_epoch != held.sender.epoch || header.sender_incarnation != held.sender.incarnation {
        return Err(not_delivered("the message names another instance than its session"));
    }
    if header.kind == Kind::Answer {
        return Err(not_delivered("an answer that nobody waits for"));
    }
    if user.len() > USER_BYTES {
        return Err(not_delivered("the user's name is too long"));
    }
    if on_behalf(header, &held.channel.peer.node).map_err(not_delivered)?.is_some() && !user.is_empty() {
        return Err(not_delivered("what a user says through a gateway nobody says for it"));
    }
    let origin = held.origin(user).map_err(not_delivered)?;
    let content = Content {
        message: header.message,
        kind: header.kind,
        from: origin.name_for_agents(),
        payload,
        deadline: delivery_deadline(header.kind, deadline),
        deadline_ms: header.deadline_ms,
    };
    let to = held.receiver.assignment.name();
    let Accepted { receipt, decision, .. } = accept(host, &origin, to, header.receiver_epoch, content)?;
    Ok((receipt, decision))
}

/// Whose words a message has, as `node` says, which its sender runs on.
fn on_behalf(header: &Header, node: &NodeId) -> Result<Option<Box<OnBehalf>>, &'static str> {
    let Some(said) = header.extensions.get(Key::ON_BEHALF) else { return Ok(None) };
    let on_behalf: OnBehalf =
        codec::decode(said, extensions::BYTES).map_err(|_| "on whose behalf it is cannot be read")?;
    if on_behalf.user.is_empty() || on_behalf.user.len() > USER_BYTES {
        return Err("the user on whose behalf it is has no name, or too long a one");
    }
    if !on_behalf.judged.is_of(node) || !on_behalf.permit.is_of(&on_behalf.member) {
        return Err("the decisions by which it is said for a user are of other nodes than it says");
    }
    Ok(Some(Box::new(on_behalf)))
}

/// Waits for how a message ends, and has it go back.
async fn follow(host: Arc<Host>, held: Arc<InboundSession>, header: Header, receipt: Receipt, deadline: Instant) {
    let ending = receipt.wait(deadline).await;
    let must_drive = held.returns.push(Return { asked: header, ending, deadline });
    if must_drive {
        returns::drive(host, held).await;
    }
}
