//! The lines of ledgers: for each node that was ever enrolled, by its id, either a `ledger` line and its `entry` lines or a
//! `missing` line.
//!
//! A ledger is a node's own record of what it has carried and refused. An entry's hash is SHA-256 over
//! `"symbi-ledger-v1\0"`, its canonical bytes and the hash of the entry before it. Canonical are its number, its time, the
//! name of its event, and the event's fields in the order in which they stand here: integers and truth values as eight
//! big-endian bytes, texts, ids, hashes and byte strings behind their length, lists behind their count, what may be absent
//! behind 0 or 1.

use super::{Bytes, Uuid};
use crate::hex::Hex;
use serde::{Deserialize, Serialize};

/// A node's ledger; its entries follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHeader {
    /// The node.
    pub node: Hex<32>,
    /// The number of the last entry that the node has let go; 0 if it has let go none.
    pub after: u64,
    /// The hash of that entry; zeros if there is none.
    pub previous: Hex<32>,
    /// The roots of the whole subtrees of the tree over the entries up to that one, the largest first: one for each bit that is set in
    /// their number.
    pub whole: Vec<Hex<32>>,
}

/// A ledger that could not be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The node.
    pub node: Hex<32>,
    /// How many entries it had when it was last anchored; 0 if it never was.
    pub entries: u64,
    /// The hash of the last of them; zeros if there is none.
    pub head: Hex<32>,
}

/// One entry of the ledger whose line came last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// The node's clock, ms since the Unix epoch; never falls.
    pub time_ms: u64,
    /// What happened.
    pub event: Event,
    /// Its hash.
    pub hash: Hex<32>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Event {
    /// The node has started: what it had not written by the entry before this one is not in its ledger.
    Started(Started),
    /// A session with an agent on another node stands.
    Session(Session),
    /// A batch that was sent.
    Sent(MessageBatch),
    /// A batch that was received.
    Received(MessageBatch),
    /// What the receiver's node said became of messages that were sent.
    Ended(Ended),
    /// A message within the node.
    Local(Local),
    /// A verdict that denied something.
    Denied(Denied),
    /// Entries that could not be taken.
    Gap(Gap),
}

/// The node has started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// How often it has started, this time included.
    pub boot: u64,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its id.
    pub session: Hex<16>,
    /// Whether this node's side began it.
    pub began: bool,
    /// The agent (or gateway) here.
    pub name: String,
    /// Its epoch.
    pub epoch: u64,
    /// The other side's node.
    pub peer: Hex<32>,
    /// The other side's agent (or gateway).
    pub peer_name: String,
    /// Its epoch.
    pub peer_epoch: u64,
    /// The credential of this side, a JWT signed with the P-256 key of this node.
    pub credential: String,
    /// The other side's, signed with its node's.
    pub peer_credential: String,
}

/// Messages of one direction of a session, under one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageBatch {
    /// The session.
    pub session: Hex<16>,
    /// The sender's signature; none for messages that were taken in and whose signature never came.
    pub attestation: Option<Attestation>,
    /// The messages, 1 to 64, by rising sequence.
    pub messages: Vec<Message>,
}

/// A signature over a batch, and what it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The sender's epoch.
    pub epoch: u64,
    /// Which batch of its direction this is, from 0.
    pub batch: u64,
    /// The sequence of the first message.
    pub first: u64,
    /// The sequence of the last message.
    pub last: u64,
    /// The RFC 6962 root over the messages' leaves.
    pub root: Hex<32>,
    /// The hash of the batch before it; zeros for the first.
    pub previous: Hex<32>,
    /// The policy set by which the sender's node judged.
    pub policy_set: u64,
    /// The sender's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// Ed25519 by the key that the sender's credential names.
    pub signature: Hex<64>,
}

/// A message of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its sequence.
    pub sequence: u64,
    /// Its id; an answer has that of its ask.
    pub message: Uuid,
    /// Its kind.
    pub kind: Kind,
    /// SHA-256 over what its seal protects in the clear.
    pub header: Hex<32>,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// Whose words an agent's message has, where a user had it say them.
    pub on_behalf: Option<OnBehalf>,
    /// How long its payload is.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The decision of the ledger's node; empty for an answer.
    pub decision: String,
    /// What became of it.
    pub fate: Fate,
}

/// That a message has the words of a user, on a member's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnBehalf {
    /// The user.
    pub user: String,
    /// The member that says so.
    pub member: Hex<32>,
    /// That member's decision.
    pub permit: String,
    /// The decision of the agent's node, on the same message from that user.
    pub judged: String,
}

/// What became of messages that were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The session.
    pub session: Hex<16>,
    /// The batch.
    pub batch: u64,
    /// Message by message.
    pub ends: Vec<End>,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Its sequence.
    pub sequence: u64,
    /// Its id.
    pub message: Uuid,
    /// Its end.
    pub fate: Fate,
}

/// A message within one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// Its id; an answer has that of its ask.
    pub message: Uuid,
    /// Its kind.
    pub kind: Kind,
    /// Who sent it.
    pub sender: String,
    /// Whom it is for.
    pub receiver: String,
    /// The sender's epoch.
    pub sender_epoch: u64,
    /// The receiver's epoch.
    pub receiver_epoch: u64,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// Whose words an agent's message has, where a user had it say them.
    pub on_behalf: Option<OnBehalf>,
    /// How long its payload is.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The decision that let it be sent; empty for an answer.
    pub sent_by: String,
    /// The decision on its being received; empty if it came to none.
    pub received_by: String,
    /// What became of it.
    pub fate: Fate,
}

/// A verdict that denied something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// Its id.
    pub decision: String,
    /// The message, if it was one.
    pub message: Option<Uuid>,
    /// The verdict, in the bytes in which its node keeps it.
    pub verdict: Bytes,
}

/// Entries that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// How many.
    pub lost: u64,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Wants an answer.
    Ask,
    /// Wants none.
    Tell,
    /// Is one.
    Answer,
}

/// What became of a message on the node whose ledger says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It left.
    Sent,
    /// It was taken in.
    Taken,
    /// A policy of the receiver's node did not allow it.
    Denied,
    /// It was certainly not taken in, for another reason.
    Refused,
    /// Its time was up.
    Expired,
    /// Nobody knows.
    Unknown,
}

impl Kind {
    /// Its name in canonical bytes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Tell => "tell",
            Self::Answer => "answer",
        }
    }
}

impl Fate {
    /// Its name in canonical bytes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Taken => "taken",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }
}

impl Event {
    /// Its name in canonical bytes.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Session(_) => "session",
            Self::Sent(_) => "sent",
            Self::Received(_) => "received",
            Self::Ended(_) => "ended",
            Self::Local(_) => "local",
            Self::Denied(_) => "denied",
            Self::Gap(_) => "gap",
        }
    }
}
