//! Anchors: how far the ledgers of the nodes have come, as the audit chain vouches for it. The ledgers themselves are kept
//! by their nodes.

pub mod anchor;
pub mod entry;

pub use anchor::{Anchor, Signature, Tip};
pub use entry::{
    Attestation, BATCH, Denied, End, Ended, Entry, Fate, Kind, Line, Local, Message, MessageBatch, OnBehalf, Session,
    leaf,
};

use serde::{Deserialize, Serialize};

/// So many anchors at most are agreed on by one command.
pub const ANCHORS: usize = 256;

/// A node's last anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchored {
    /// What the node said.
    pub anchor: Anchor,
    /// The log index at which that was agreed on.
    pub index: u64,
    /// The position of its record there.
    pub position: u32,
    /// The log time, ms since the Unix epoch.
    pub time_ms: u64,
}
