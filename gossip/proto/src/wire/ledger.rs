//! What a node tells of its ledger: its lines, for a bundle, and what it has seen of a message.

use serde::{Deserialize, Serialize};
use symbi_model::ledger::{Fate, Kind, Line, OnBehalf};
use symbi_model::{DecisionId, Epoch, Hash, MessageId, NodeId};

/// Lines of a ledger, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The number of the first line that is kept.
    pub first: u64,
    /// The hash of the line before it; zeros where it is the first of all.
    pub before: Hash,
    /// The whole subtrees of the ledger's tree up to that line, the largest first: with them the roots of later anchors can be checked.
    pub whole: Vec<Hash>,
    /// The number of the last line there is.
    pub last: u64,
    /// Lines from the one asked for on, as many as a frame takes.
    pub lines: Vec<Line>,
}

/// What a ledger knows of messages whose ids begin alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// What was seen, in the order of the ledger.
    pub seen: Vec<Sighting>,
    /// Whether there may be more, because too many lines would have to be read.
    pub more: bool,
}

/// One line's word on one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The message.
    pub message: MessageId,
    /// The ledger's node.
    pub node: NodeId,
    /// The number of the line.
    pub line: u64,
    /// The line's time, ms since the Unix epoch.
    pub time_ms: u64,
    /// The name of the line's kind.
    pub what: String,
    /// `Ask`, `Tell` or `Answer`; none where the line does not say.
    pub kind: Option<Kind>,
    /// The agent (or gateway) that sent it; empty where the line does not say.
    pub sender: String,
    /// The sender's epoch.
    pub sender_epoch: Epoch,
    /// The agent (or gateway) that it is for; empty where the line does not say.
    pub receiver: String,
    /// The receiver's epoch.
    pub receiver_epoch: Epoch,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// Whose words an agent's message has, where a user had it say them.
    pub on_behalf: Option<Box<OnBehalf>>,
    /// The session; none within one node.
    pub session: Option<[u8; 16]>,
    /// The batch, and its sequence in its direction of the session, where a signature covers it.
    pub batch: Option<u64>,
    /// Its sequence in its direction of the session.
    pub sequence: Option<u64>,
    /// How long its payload is, bytes.
    pub bytes: u64,
    /// When it was too late, ms since the Unix epoch; 0 where the line does not say.
    pub deadline_ms: u64,
    /// The sender's decision.
    pub sent_by: Option<DecisionId>,
    /// The receiver's decision.
    pub received_by: Option<DecisionId>,
    /// What became of it, as far as the line says.
    pub fate: Option<Fate>,
    /// The anchor that covers the line.
    pub anchor: Option<Anchored>,
}

/// Where the audit chain vouches for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchored {
    /// How many lines the anchor covers.
    pub entries: u64,
    /// The log index of its audit record.
    pub index: u64,
    /// The record's position at that index.
    pub position: u32,
}
