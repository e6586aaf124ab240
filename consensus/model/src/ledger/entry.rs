//! The lines of a ledger: what one node has carried and refused, hash-chained. Written by `node/host`, judged by `node/audit`,
//! which implements the same bytes a second time.
//!
//! A line's hash is SHA-256 over [`DOMAIN`], its canonical bytes and the hash of the line before it (zeros for the first).
//! Canonical are, in this order: its number, its time, the name of its kind, the fields of its entry in the order in which they
//! stand here. Integers and truth values are eight big-endian bytes; texts, ids, hashes and byte strings stand behind
//! their length, decisions as text (the empty one where there is none); lists stand behind their count; what else may be
//! absent behind 0 or 1.

use crate::codec::blob;
use crate::hash::{Hash, put_bytes, put_u64};
use crate::ids::{DecisionId, Epoch, MessageId, NodeId, PolicyNumber};
use crate::merkle;
use serde::{Deserialize, Serialize};

/// What the hash of every line begins with.
pub const DOMAIN: &[u8] = b"symbi-ledger-v1\0";
/// The most messages that one batch holds.
pub const BATCH: usize = 64;
/// The longest verdict that a ledger keeps, bytes: a refused sender must not push out the lines of all others.
pub const VERDICT_BYTES: usize = 32 * 1024;
/// The longest encoded line that is read. Verdicts were once kept up to 256 KiB, and such lines are on disks.
pub const LINE_MAX: usize = (256 + 64) * 1024;

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which line of its ledger this is, from 1.
    pub number: u64,
    /// The node's clock, ms since the Unix epoch; never falls within a ledger.
    pub time_ms: u64,
    /// What happened.
    pub entry: Entry,
    /// The hash of the line before this one; zeros for the first.
    pub previous: Hash,
    /// This line's hash.
    pub hash: Hash,
}

/// What happened on a node's data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The node has started: what it had not written by the line before this one is not in its ledger.
    Started {
        /// How often it has started, this time included.
        boot: u64,
    },
    /// A session stands; before any batch of it.
    Session(Session),
    /// A batch that an agent of this node, or its gateway, has sent.
    Sent(MessageBatch),
    /// A batch that an agent of this node, or its gateway, has received.
    Received(MessageBatch),
    /// What the receiver's node said became of messages that were sent, or that it said nothing in time.
    Ended(Ended),
    /// A message whose sender and receiver are both here.
    Local(Local),
    /// Something that a policy did not allow; what is allowed names its decision where it is recorded.
    Denied(Denied),
    /// Entries that could not be taken, because the queue before the ledger was full: the ledger says so itself.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// A session between an incarnation here and one on another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub session: [u8; 16],
    /// Whether this node's side began it.
    pub began: bool,
    /// The agent (or gateway) here.
    pub name: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// The other side's node.
    pub peer: NodeId,
    /// The other side's agent (or gateway).
    pub peer_name: String,
    /// Its epoch.
    pub peer_epoch: Epoch,
    /// The credential of this node's side, which says the same and names the key of its signatures; signed by this node.
    pub credential: String,
    /// The other side's, signed by its node.
    pub peer_credential: String,
}

/// Messages of one direction of a session, under one signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBatch {
    /// The session.
    pub session: [u8; 16],
    /// The sender's signature over them; none for messages that were received and delivered, and whose signature never came.
    pub attestation: Option<Attestation>,
    /// At most [`BATCH`], by rising sequence.
    pub messages: Vec<Message>,
}

/// The signature of a batch, and what it is over besides cluster, agent and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The sender's placement epoch.
    pub epoch: Epoch,
    /// Which batch of its direction of the session this is, from 0.
    pub batch: u64,
    /// The sequence of its first message.
    pub first: u64,
    /// The sequence of its last message.
    pub last: u64,
    /// The RFC 6962 root over the messages' leaves.
    pub root: Hash,
    /// The hash of the batch before it; zeros for the first.
    pub previous: Hash,
    /// The policy set by which the sender's node judged.
    pub policy_set: PolicyNumber,
    /// The sender's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// Ed25519 by the sender's incarnation; 64 bytes.
    #[serde(with = "blob")]
    pub signature: Vec<u8>,
}

/// A message of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which message of its direction of the session this is, from 0.
    pub sequence: u64,
    /// Its id; an answer has that of its ask.
    pub message: MessageId,
    /// Its kind.
    pub kind: Kind,
    /// SHA-256 over everything that the seal protects in the clear: length of the envelope, envelope, commitment.
    pub header: Hash,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// Whose words an agent's message has, where a user had it say them.
    pub on_behalf: Option<Box<OnBehalf>>,
    /// How long its payload is, bytes.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The decision of this ledger's node; none for an answer, which is not judged.
    pub decision: Option<DecisionId>,
    /// What became of it here.
    pub fate: Fate,
}

/// That a message has the words of a user, who had an agent say them. Who the user is rests on one member's word: it has seen the
/// user's token, and the agent's node has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnBehalf {
    /// The user.
    pub user: String,
    /// On whose word: the member that was asked.
    pub member: NodeId,
    /// That member's decision.
    pub permit: DecisionId,
    /// The decision of the agent's node, on the same message from that user.
    pub judged: DecisionId,
}

/// What became of messages that were sent; an ask that was answered ends with the answer that is received, not with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The session.
    pub session: [u8; 16],
    /// The batch in which they were sent.
    pub batch: u64,
    /// Their ends.
    pub ends: Vec<End>,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its sequence.
    pub sequence: u64,
    /// Its id.
    pub message: MessageId,
    /// Its end.
    pub fate: Fate,
}

/// A message whose sender and receiver are on one node: nothing was sealed, no other ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Its id; an answer has that of its ask.
    pub message: MessageId,
    /// Its kind.
    pub kind: Kind,
    /// The agent (or gateway) that sent it.
    pub sender: String,
    /// The agent (or gateway) that it is for.
    pub receiver: String,
    /// The sender's epoch.
    pub sender_epoch: Epoch,
    /// The receiver's epoch.
    pub receiver_epoch: Epoch,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// Whose words an agent's message has, where a user had it say them.
    pub on_behalf: Option<Box<OnBehalf>>,
    /// How long its payload is, bytes.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// The decision that let it be sent; none for an answer.
    pub sent_by: Option<DecisionId>,
    /// The decision on its being received; none if it came to none, and for an answer.
    pub received_by: Option<DecisionId>,
    /// What became of it.
    pub fate: Fate,
}

/// A verdict that denied something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The verdict's id.
    pub decision: DecisionId,
    /// The message that was denied, if it was one.
    pub message: Option<MessageId>,
    /// The verdict, encoded by `node/policy`.
    #[serde(with = "blob")]
    pub verdict: Vec<u8>,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Wants an answer.
    Ask,
    /// Wants none.
    Tell,
    /// Is one.
    Answer,
}

/// What became of a message on the node whose ledger says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    /// It left.
    Sent,
    /// It was taken in: a message by its receiver's mailbox, an answer by whoever asked.
    Taken,
    /// A policy of the receiver's node did not allow it.
    Denied,
    /// It was certainly not taken in, for another reason.
    Refused,
    /// Its time was up before it was taken in, or before it was answered.
    Expired,
    /// Nobody knows.
    Unknown,
}

impl Kind {
    /// Its name in canonical bytes and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Tell => "tell",
            Self::Answer => "answer",
        }
    }
}

impl Fate {
    /// Its name in canonical bytes and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
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

/// A message's leaf in the Merkle tree of its batch: the leaf over its sequence, the name of its kind, its id and the hash of
/// its header, each as in canonical bytes. So a signature vouches for them without the header at hand.
#[must_use]
pub fn leaf(sequence: u64, kind: Kind, message: MessageId, header: &Hash) -> Hash {
    let mut out = Vec::with_capacity(96);
    put_u64(&mut out, sequence);
    put_bytes(&mut out, kind.name().as_bytes());
    put_bytes(&mut out, message.0.as_bytes());
    put_bytes(&mut out, &header.0);
    merkle::leaf(&out)
}

impl Message {
    /// Its [`leaf`].
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf(self.sequence, self.kind, self.message, &self.header)
    }
}

impl Line {
    /// The line `number`, chained to the one before it.
    #[must_use]
    pub fn chained(number: u64, time_ms: u64, entry: Entry, previous: Hash) -> Self {
        let mut line = Self { number, time_ms, entry, previous, hash: Hash::default() };
        line.hash = line.digest();
        line
    }

    /// What its hash must be.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Hash::of(&[DOMAIN, &self.canonical(), &self.previous.0])
    }

    /// The bytes that are hashed.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        put_u64(&mut out, self.number);
        put_u64(&mut out, self.time_ms);
        put_bytes(&mut out, self.entry.name().as_bytes());
        match &self.entry {
            Entry::Started { boot } => put_u64(&mut out, *boot),
            Entry::Session(session) => session.put(&mut out),
            Entry::Sent(batch) | Entry::Received(batch) => batch.put(&mut out),
            Entry::Ended(ended) => ended.put(&mut out),
            Entry::Local(local) => local.put(&mut out),
            Entry::Denied(denied) => denied.put(&mut out),
            Entry::Gap { lost } => put_u64(&mut out, *lost),
        }
        out
    }
}

impl Entry {
    /// The name of its kind, in canonical bytes and for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Session(_) => "session",
            Self::Sent(_) => "sent",
            Self::Received(_) => "received",
            Self::Ended(_) => "ended",
            Self::Local(_) => "local",
            Self::Denied(_) => "denied",
            Self::Gap { .. } => "gap",
        }
    }

    /// The ids of the messages that it is about.
    #[must_use]
    pub fn messages(&self) -> Vec<MessageId> {
        match self {
            Self::Sent(batch) | Self::Received(batch) => batch.messages.iter().map(|message| message.message).collect(),
            Self::Ended(ended) => ended.ends.iter().map(|end| end.message).collect(),
            Self::Local(local) => vec![local.message],
            Self::Denied(denied) => denied.message.into_iter().collect(),
            Self::Started { .. } | Self::Session(_) | Self::Gap { .. } => Vec::new(),
        }
    }
}

impl Session {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.session);
        put_u64(out, u64::from(self.began));
        put_bytes(out, self.name.as_bytes());
        put_u64(out, self.epoch.0);
        put_bytes(out, &self.peer.0);
        put_bytes(out, self.peer_name.as_bytes());
        put_u64(out, self.peer_epoch.0);
        put_bytes(out, self.credential.as_bytes());
        put_bytes(out, self.peer_credential.as_bytes());
    }
}

impl MessageBatch {
    fn put(&self, out: &mut Vec<u8>) {
        out.reserve(256 + 192 * self.messages.len());
        put_bytes(out, &self.session);
        put_u64(out, u64::from(self.attestation.is_some()));
        if let Some(attestation) = &self.attestation {
            attestation.put(out);
        }
        put_u64(out, self.messages.len() as u64);
        for message in &self.messages {
            message.put(out);
        }
    }
}

impl Attestation {
    fn put(&self, out: &mut Vec<u8>) {
        for number in [self.epoch.0, self.batch, self.first, self.last] {
            put_u64(out, number);
        }
        put_bytes(out, &self.root.0);
        put_bytes(out, &self.previous.0);
        put_u64(out, self.policy_set.0);
        put_u64(out, self.time_ms);
        put_bytes(out, &self.signature);
    }
}

impl Message {
    fn put(&self, out: &mut Vec<u8>) {
        put_u64(out, self.sequence);
        put_bytes(out, self.message.0.as_bytes());
        put_bytes(out, self.kind.name().as_bytes());
        put_bytes(out, &self.header.0);
        put_bytes(out, self.user.as_bytes());
        put_on_behalf(out, self.on_behalf.as_deref());
        put_u64(out, self.bytes);
        put_u64(out, self.deadline_ms);
        put_decision(out, self.decision.as_ref());
        put_bytes(out, self.fate.name().as_bytes());
    }
}

impl Ended {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.session);
        put_u64(out, self.batch);
        put_u64(out, self.ends.len() as u64);
        for end in &self.ends {
            put_u64(out, end.sequence);
            put_bytes(out, end.message.0.as_bytes());
            put_bytes(out, end.fate.name().as_bytes());
        }
    }
}

impl Local {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.message.0.as_bytes());
        put_bytes(out, self.kind.name().as_bytes());
        put_bytes(out, self.sender.as_bytes());
        put_bytes(out, self.receiver.as_bytes());
        put_u64(out, self.sender_epoch.0);
        put_u64(out, self.receiver_epoch.0);
        put_bytes(out, self.user.as_bytes());
        put_on_behalf(out, self.on_behalf.as_deref());
        put_u64(out, self.bytes);
        put_u64(out, self.deadline_ms);
        put_decision(out, self.sent_by.as_ref());
        put_decision(out, self.received_by.as_ref());
        put_bytes(out, self.fate.name().as_bytes());
    }
}

impl Denied {
    fn put(&self, out: &mut Vec<u8>) {
        put_decision(out, Some(&self.decision));
        put_u64(out, u64::from(self.message.is_some()));
        if let Some(message) = &self.message {
            put_bytes(out, message.0.as_bytes());
        }
        put_bytes(out, &self.verdict);
    }
}

fn put_on_behalf(out: &mut Vec<u8>, on_behalf: Option<&OnBehalf>) {
    put_u64(out, u64::from(on_behalf.is_some()));
    if let Some(OnBehalf { user, member, permit, judged }) = on_behalf {
        put_bytes(out, user.as_bytes());
        put_bytes(out, &member.0);
        put_decision(out, Some(permit));
        put_decision(out, Some(judged));
    }
}

/// A decision as text, as records have it; the empty text where there is none.
fn put_decision(out: &mut Vec<u8>, decision: Option<&DecisionId>) {
    match decision {
        Some(decision) => put_bytes(out, &decision.text()),
        None => put_bytes(out, &[]),
    }
}

#[cfg(test)]
mod tests;
