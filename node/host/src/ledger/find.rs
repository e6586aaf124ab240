//! What a ledger knows of a message, by the beginning of its id.

use super::disk::{Disk, Error};
use super::keys;
use symbi_model::ledger::{Entry, Line, Message};
use symbi_model::{Epoch, MessageId, NodeId};
use symbi_proto::wire::ledger::{Anchored, Sighting, Sightings};
use uuid::Uuid;

/// So many lines at most are read for one question.
const LINES: usize = 1_024;
/// So many sightings at most are told.
const SEEN: usize = 64;

/// The sightings of every message whose id begins with `prefix`, a UUID as it is written or its beginning; none if it is no
/// such thing.
pub fn sightings(disk: &Disk, node: NodeId, prefix: &str) -> Result<Sightings, Error> {
    let mut found = Sightings::default();
    let Some((low, high)) = MessageId::beginning(prefix) else { return Ok(found) };
    let (from, to) = (keys::moment(&low), keys::moment(&high) + 1);
    let rows = disk.engine.scan(&keys::message(from, 0), &keys::message(to, 0), LINES)?;
    found.more = rows.len() == LINES;
    let mut numbers: Vec<_> = rows.iter().filter_map(|(key, _)| keys::number(key)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        // A row may outlive its line for a moment, when old ones are let go.
        let Some(line) = disk.line(number)? else { continue };
        let wanted = line.entry.messages().into_iter().any(|id| (low..=high).contains(&id));
        if wanted {
            in_line(disk, node, &line, &mut found.seen, |id| (low..=high).contains(&id))?;
        }
        if found.seen.len() >= SEEN {
            found.more = true;
            return Ok(found);
        }
    }
    Ok(found)
}

/// Adds what a line says of the messages that are wanted.
pub fn in_line(
    disk: &Disk,
    node: NodeId,
    line: &Line,
    seen: &mut Vec<Sighting>,
    is_wanted: impl Fn(MessageId) -> bool,
) -> Result<(), Error> {
    let blank = blank(disk, node, line)?;
    match &line.entry {
        Entry::Sent(batch) | Entry::Received(batch) => {
            let sent = matches!(line.entry, Entry::Sent(_));
            let blank = of_session(disk, &batch.session, sent, blank)?;
            let number = batch.attestation.as_ref().map(|attestation| attestation.batch);
            let messages = batch.messages.iter().filter(|message| is_wanted(message.message));
            seen.extend(messages.map(|message| of_message(message, sent, Sighting { batch: number, ..blank.clone() })));
        }
        Entry::Ended(ended) => {
            let blank = of_session(disk, &ended.session, true, blank)?;
            let blank = Sighting { batch: Some(ended.batch), ..blank };
            let ends = ended.ends.iter().filter(|end| is_wanted(end.message));
            seen.extend(ends.map(|end| Sighting {
                message: end.message,
                sequence: Some(end.sequence),
                fate: Some(end.fate),
                ..blank.clone()
            }));
        }
        Entry::Local(local) if is_wanted(local.message) => seen.push(Sighting {
            message: local.message,
            kind: Some(local.kind),
            sender: local.sender.clone(),
            sender_epoch: local.sender_epoch,
            receiver: local.receiver.clone(),
            receiver_epoch: local.receiver_epoch,
            user: local.user.clone(),
            on_behalf: local.on_behalf.clone(),
            bytes: local.bytes,
            deadline_ms: local.deadline_ms,
            sent_by: local.sent_by,
            received_by: local.received_by,
            fate: Some(local.fate),
            ..blank
        }),
        Entry::Denied(denied) => {
            if let Some(message) = denied.message.filter(|message| is_wanted(*message)) {
                seen.push(Sighting { message, sent_by: Some(denied.decision), ..blank });
            }
        }
        Entry::Local(_) | Entry::Started { .. } | Entry::Session(_) | Entry::Gap { .. } => {}
    }
    Ok(())
}

/// What every sighting in a line has in common.
fn blank(disk: &Disk, node: NodeId, line: &Line) -> Result<Sighting, Error> {
    let anchor = disk.head(line.number)?;
    Ok(Sighting {
        message: MessageId(Uuid::nil()),
        node,
        line: line.number,
        time_ms: line.time_ms,
        what: line.entry.name().to_owned(),
        kind: None,
        sender: String::new(),
        sender_epoch: Epoch(0),
        receiver: String::new(),
        receiver_epoch: Epoch(0),
        user: String::new(),
        on_behalf: None,
        session: None,
        batch: None,
        sequence: None,
        bytes: 0,
        deadline_ms: 0,
        sent_by: None,
        received_by: None,
        fate: None,
        anchor: anchor.map(|(entries, head)| Anchored { entries, index: head.index, position: head.position }),
    })
}

/// Adds who sends to whom in a session.
fn of_session(disk: &Disk, id: &[u8; 16], sent: bool, blank: Sighting) -> Result<Sighting, Error> {
    let session = Some(*id);
    let line = disk.led_to(&keys::session(id))?;
    Ok(match line.map(|line| line.entry) {
        Some(Entry::Session(of)) if sent => Sighting {
            session,
            sender: of.name,
            sender_epoch: of.epoch,
            receiver: of.peer_name,
            receiver_epoch: of.peer_epoch,
            ..blank
        },
        Some(Entry::Session(of)) => Sighting {
            session,
            sender: of.peer_name,
            sender_epoch: of.peer_epoch,
            receiver: of.name,
            receiver_epoch: of.epoch,
            ..blank
        },
        _ => Sighting { session, ..blank },
    })
}

fn of_message(message: &Message, sent: bool, blank: Sighting) -> Sighting {
    Sighting {
        message: message.message,
        kind: Some(message.kind),
        sequence: Some(message.sequence),
        user: message.user.clone(),
        on_behalf: message.on_behalf.clone(),
        bytes: message.bytes,
        deadline_ms: message.deadline_ms,
        sent_by: message.decision.filter(|_| sent),
        received_by: message.decision.filter(|_| !sent),
        fate: Some(message.fate),
        ..blank
    }
}
