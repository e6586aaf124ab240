//! How a part of the node asks for a command to be agreed on: a value sent over a channel, answered over another.

use crate::command::Command;
use crate::ids::RequestId;
use crate::outcome::Outcome;
use crate::policy::PermitRef;

/// A command on its way to the log. The reply is the sender's own channel type, so that this crate stays without a runtime.
#[derive(Debug)]
pub struct Proposal<Reply> {
    /// The command.
    pub command: Command,
    /// Its client's key; none for a node's own commands.
    pub request: Option<RequestId>,
    /// The permit; none where [`Command::needs_permit`] says so.
    pub permit: Option<PermitRef>,
    /// For a leader's command: the term in which it was decided; it is never forwarded or retried in another.
    pub decided_term: Option<u64>,
    /// How long the sender waits, ms from when the proposal is taken up.
    pub deadline_ms: u64,
    /// Where the answer goes.
    pub reply: Reply,
}

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The log index of its entry.
    pub index: u64,
    /// Its position in its batch.
    pub position: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was certainly not carried out: there is no leader that a quorum follows.
    #[error("no quorum: no leader answered before the deadline")]
    NoLeader,
    /// It may or may not have been carried out; asking again with the same key tells.
    #[error("the write's fate is unknown: the deadline passed while it was on its way")]
    Unknown,
    /// The leader refused it at the door: its clock and the origin's disagree.
    #[error("the clocks disagree by more than the leader allows: {detail}")]
    ClockSkew {
        /// By how much.
        detail: String,
    },
    /// The command is longer than [`crate::entry::COMMAND_BYTES`].
    #[error("the command has {bytes} bytes; at most {} are allowed", crate::entry::COMMAND_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It was certainly not carried out: the cluster is not upgraded to what it needs, as far as this node knows.
    #[error("gate {gate} is not open yet: the upgrade that brings this is not finalized")]
    GateClosed {
        /// The gate.
        gate: u32,
    },
    /// A leader's command whose term has passed, or whose node does not lead.
    #[error("this node does not lead in the term in which this was decided")]
    NotLeading,
    /// It was certainly not carried out: as many writes as the node takes wait already.
    #[error("as many writes as this node takes wait already: try again a little later")]
    Full,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}
