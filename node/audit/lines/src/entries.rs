//! Lines of a node's ledger.

use crate::Error;
use symbi_audit::entry::{
    Attestation, Denied, End, Ended, Entry, Event, Fate, Gap, Kind, Local, Message, MessageBatch, OnBehalf, Session,
    Started,
};
use symbi_audit::{Bytes, Hex, Uuid};
use symbi_model::{DecisionId, MessageId, ledger};

/// A line of a ledger.
///
/// # Errors
/// [`Error::Entry`].
pub fn entry(line: ledger::Line) -> Result<Entry, Error> {
    let event = match line.entry {
        ledger::Entry::Started { boot } => Event::Started(Started { boot }),
        ledger::Entry::Session(session) => Event::Session(self::session(session)),
        ledger::Entry::Sent(batch) => Event::Sent(self::batch(line.number, batch)?),
        ledger::Entry::Received(batch) => Event::Received(self::batch(line.number, batch)?),
        ledger::Entry::Ended(ended) => Event::Ended(self::ended(&ended)),
        ledger::Entry::Local(local) => Event::Local(self::local(local)),
        ledger::Entry::Denied(denied) => Event::Denied(Denied {
            decision: denied.decision.to_string(),
            message: denied.message.map(id),
            verdict: Bytes(denied.verdict),
        }),
        ledger::Entry::Gap { lost } => Event::Gap(Gap { lost }),
    };
    Ok(Entry { number: line.number, time_ms: line.time_ms, event, hash: Hex(line.hash.0) })
}

fn session(session: ledger::Session) -> Session {
    Session {
        session: Hex(session.session),
        began: session.began,
        name: session.name,
        epoch: session.epoch.0,
        peer: Hex(session.peer.0),
        peer_name: session.peer_name,
        peer_epoch: session.peer_epoch.0,
        credential: session.credential,
        peer_credential: session.peer_credential,
    }
}

fn batch(number: u64, batch: ledger::MessageBatch) -> Result<MessageBatch, Error> {
    let attestation = batch.attestation.map(|attestation| self::attestation(number, attestation)).transpose()?;
    let messages = batch.messages.into_iter().map(message).collect();
    Ok(MessageBatch { session: Hex(batch.session), attestation, messages })
}

fn attestation(number: u64, attestation: ledger::Attestation) -> Result<Attestation, Error> {
    let signature = attestation.signature.try_into().map(Hex);
    Ok(Attestation {
        epoch: attestation.epoch.0,
        batch: attestation.batch,
        first: attestation.first,
        last: attestation.last,
        root: Hex(attestation.root.0),
        previous: Hex(attestation.previous.0),
        policy_set: attestation.policy_set.0,
        time_ms: attestation.time_ms,
        signature: signature.map_err(|_| Error::Entry(number))?,
    })
}

fn message(message: ledger::Message) -> Message {
    Message {
        sequence: message.sequence,
        message: id(message.message),
        kind: kind(message.kind),
        header: Hex(message.header.0),
        user: message.user,
        on_behalf: message.on_behalf.map(|boxed| on_behalf(*boxed)),
        bytes: message.bytes,
        deadline_ms: message.deadline_ms,
        decision: decision(message.decision),
        fate: fate(message.fate),
    }
}

fn on_behalf(on_behalf: ledger::OnBehalf) -> OnBehalf {
    let ledger::OnBehalf { user, member, permit, judged } = on_behalf;
    OnBehalf { user, member: Hex(member.0), permit: permit.to_string(), judged: judged.to_string() }
}

fn ended(ended: &ledger::Ended) -> Ended {
    let end = |end: &ledger::End| End { sequence: end.sequence, message: id(end.message), fate: fate(end.fate) };
    Ended { session: Hex(ended.session), batch: ended.batch, ends: ended.ends.iter().map(end).collect() }
}

fn local(local: ledger::Local) -> Local {
    Local {
        message: id(local.message),
        kind: kind(local.kind),
        sender: local.sender,
        receiver: local.receiver,
        sender_epoch: local.sender_epoch.0,
        receiver_epoch: local.receiver_epoch.0,
        user: local.user,
        on_behalf: local.on_behalf.map(|boxed| on_behalf(*boxed)),
        bytes: local.bytes,
        deadline_ms: local.deadline_ms,
        sent_by: decision(local.sent_by),
        received_by: decision(local.received_by),
        fate: fate(local.fate),
    }
}

fn id(message: MessageId) -> Uuid {
    Uuid(*message.0.as_bytes())
}

fn decision(decision: Option<DecisionId>) -> String {
    decision.map(|decision| decision.to_string()).unwrap_or_default()
}

fn kind(kind: ledger::Kind) -> Kind {
    match kind {
        ledger::Kind::Ask => Kind::Ask,
        ledger::Kind::Tell => Kind::Tell,
        ledger::Kind::Answer => Kind::Answer,
    }
}

fn fate(fate: ledger::Fate) -> Fate {
    match fate {
        ledger::Fate::Sent => Fate::Sent,
        ledger::Fate::Taken => Fate::Taken,
        ledger::Fate::Denied => Fate::Denied,
        ledger::Fate::Refused => Fate::Refused,
        ledger::Fate::Expired => Fate::Expired,
        ledger::Fate::Unknown => Fate::Unknown,
    }
}
