//! Anchors: how far the ledgers of the nodes have come, as the audit chain vouches for it. The ledgers themselves are kept
//! by their nodes.

pub mod entry;

pub use entry::{
    Attestation, BATCH, Denied, End, Ended, Entry, Fate, Kind, Line, Local, Message, MessageBatch, OnBehalf, Session,
    leaf,
};

use crate::hash::Hash;
use serde::{Deserialize, Serialize};

/// What a node says of its ledger, all of which up to here it has synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// How many entries it has had since it began.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Hash,
    /// The RFC 6962 root over the hashes of the entries since the anchor before this one.
    pub root: Hash,
}

/// A node's last anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchored {
    /// What the node said.
    pub anchor: Anchor,
    /// The log index at which it said so.
    pub index: u64,
    /// The log time, ms since the Unix epoch.
    pub time_ms: u64,
}
