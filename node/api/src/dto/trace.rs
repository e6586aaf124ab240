//! What is known of one message: what every ledger that could be asked says of it, put together.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::ledger::{Fate, Kind};
use symbi_model::{NodeId, State};
use symbi_proto::wire::ledger::Sighting;

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// `ask` or `tell`; empty where no ledger says.
    pub kind: String,
    /// As for [`Status`].
    pub status: String,
    /// `authenticated`, then `attested` (the signature of its batch was verified by its receiver), then `anchored` (the audit
    /// chain vouches for every line that is known of it). `recorded` for one that was within a node or is known from its
    /// sender alone.
    pub state: String,
    /// Who sent it.
    pub sender: String,
    /// The sender's epoch.
    pub sender_epoch: u64,
    /// The name of the sender's node.
    pub sender_node: String,
    /// Whom it is for.
    pub receiver: String,
    /// The receiver's epoch.
    pub receiver_epoch: u64,
    /// The name of the receiver's node.
    pub receiver_node: String,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// The user whose words an agent's message has, if a user had it say them.
    pub on_behalf_of: String,
    /// The name of the member on whose word that rests.
    pub on_word_of: String,
    /// That member's decision that the user may.
    pub on_permit: String,
    /// The decision of the agent's node on the same message from that user.
    pub judged_for_user: String,
    /// The session; empty within one node.
    pub session: String,
    /// Which batch of its direction of the session it is in.
    pub batch: Option<u64>,
    /// Which message of its direction of the session it is.
    pub sequence: Option<u64>,
    /// How long its payload is, bytes.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The decision of the sender's node.
    pub sent_by: String,
    /// The decision of the receiver's node.
    pub received_by: String,
    /// What the ledgers say, in the order of time.
    pub lines: Vec<Line>,
    /// The nodes that could not be asked.
    pub unreachable: Vec<String>,
}

/// What one line of a ledger says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The name of the ledger's node.
    pub node: String,
    /// The number of the line.
    pub line: u64,
    /// When, by that node's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// What happened.
    pub what: String,
    /// What became of it.
    pub fate: String,
    /// The audit record whose anchor covers the line: `index.position`; empty while there is none.
    pub record: String,
}

/// How far a message has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The message.
    pub message_id: String,
    /// `pending`, `delivered`, `processed`, `failed` or `expired`.
    pub status: String,
    /// The nodes that could not be asked.
    pub unreachable: Vec<String>,
}

/// Puts together what is known of one message, which is at least one sighting.
#[must_use]
pub fn message(state: &State, seen: &[Sighting], unreachable: Vec<String>, now_ms: u64) -> Message {
    let mut order: Vec<&Sighting> = seen.iter().collect();
    order.sort_by_key(|sighting| (sighting.time_ms, sighting.node, sighting.line));
    let mut message = Message { unreachable, ..Message::default() };
    for sighting in order.iter().filter(|sighting| sighting.kind != Some(Kind::Answer)) {
        take(&mut message, state, sighting);
    }
    message.id = order.first().map(|sighting| sighting.message.to_string()).unwrap_or_default();
    message.status = status(&order, now_ms).to_owned();
    message.state = standing(&order).to_owned();
    message.lines = order.iter().map(|sighting| line(state, sighting)).collect();
    message
}

/// Takes over what a line says of the message itself, where nothing is known yet.
fn take(message: &mut Message, state: &State, seen: &Sighting) {
    let text = |known: &mut String, said: String| {
        if known.is_empty() {
            *known = said;
        }
    };
    text(&mut message.kind, seen.kind.map(|kind| kind.name().to_owned()).unwrap_or_default());
    text(&mut message.sender, seen.sender.clone());
    text(&mut message.receiver, seen.receiver.clone());
    text(&mut message.user, seen.user.clone());
    if let Some(behalf) = &seen.on_behalf {
        text(&mut message.on_behalf_of, format!("user:{}", behalf.user));
        text(&mut message.on_word_of, name(state, &behalf.member));
        text(&mut message.on_permit, behalf.permit.to_string());
        text(&mut message.judged_for_user, behalf.judged.to_string());
    }
    text(&mut message.session, seen.session.map(hex::encode).unwrap_or_default());
    text(&mut message.sent_by, seen.sent_by.map(|id| id.to_string()).unwrap_or_default());
    text(&mut message.received_by, seen.received_by.map(|id| id.to_string()).unwrap_or_default());
    if matches!(seen.what.as_str(), "sent" | "local") {
        text(&mut message.sender_node, name(state, &seen.node));
    }
    if matches!(seen.what.as_str(), "received" | "local") {
        text(&mut message.receiver_node, name(state, &seen.node));
    }
    message.sender_epoch = message.sender_epoch.max(seen.sender_epoch.0);
    message.receiver_epoch = message.receiver_epoch.max(seen.receiver_epoch.0);
    message.bytes = message.bytes.max(seen.bytes);
    message.deadline_ms = message.deadline_ms.max(seen.deadline_ms);
    message.batch = message.batch.or(seen.batch);
    message.sequence = message.sequence.or(seen.sequence);
}

/// How far it has come, by all that is known.
fn status(seen: &[&Sighting], now_ms: u64) -> &'static str {
    let any = |wanted: &[Fate]| {
        let mut asked = seen.iter().filter(|sighting| sighting.kind != Some(Kind::Answer));
        asked.any(|sighting| sighting.fate.is_some_and(|fate| wanted.contains(&fate)))
    };
    let is_answered = seen.iter().any(|sighting| sighting.kind == Some(Kind::Answer));
    let is_denied = seen.iter().any(|sighting| sighting.what == "denied");
    let deadline = seen.iter().map(|sighting| sighting.deadline_ms).max().unwrap_or_default();
    match () {
        () if is_answered => "processed",
        () if is_denied || any(&[Fate::Denied, Fate::Refused]) => "failed",
        () if any(&[Fate::Expired]) => "expired",
        () if any(&[Fate::Taken]) => "delivered",
        () if deadline > 0 && deadline < now_ms => "expired",
        () => "pending",
    }
}

/// What can be shown of it.
fn standing(seen: &[&Sighting]) -> &'static str {
    let asked = || seen.iter().filter(|sighting| sighting.kind != Some(Kind::Answer));
    let received = asked().find(|sighting| sighting.what == "received");
    let is_local = asked().any(|sighting| sighting.what == "local");
    let is_anchored = asked().all(|sighting| sighting.anchor.is_some());
    match received {
        Some(received) if received.batch.is_none() => "authenticated",
        Some(_) if is_anchored => "anchored",
        Some(_) => "attested",
        None if is_local && is_anchored => "anchored",
        None => "recorded",
    }
}

fn line(state: &State, seen: &Sighting) -> Line {
    let what = match seen.kind {
        Some(Kind::Answer) => format!("answer {}", seen.what),
        _ => seen.what.clone(),
    };
    let record = seen.anchor.map(|anchor| format!("{}.{}", anchor.index, anchor.position));
    Line {
        node: name(state, &seen.node),
        line: seen.line,
        time_ms: seen.time_ms,
        what,
        fate: seen.fate.map(|fate| fate.name().to_owned()).unwrap_or_default(),
        record: record.unwrap_or_default(),
    }
}

fn name(state: &State, node: &NodeId) -> String {
    state.nodes.get(node).map_or_else(|| node.short(), |node| node.name.clone())
}

/// The messages that the sightings are of, in order, with those of each.
#[must_use]
pub fn by_message(seen: Vec<Sighting>) -> BTreeMap<String, Vec<Sighting>> {
    let mut messages: BTreeMap<String, Vec<Sighting>> = BTreeMap::new();
    for sighting in seen {
        messages.entry(sighting.message.to_string()).or_default().push(sighting);
    }
    messages
}

#[cfg(test)]
mod tests;
