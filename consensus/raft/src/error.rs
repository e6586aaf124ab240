//! What can go wrong, one small enum for each thing that is asked, so that a caller matches all of its cases and no others.

use std::io;
use symbi_model::{NodeId, Refusal, codec};

/// Why a replica could not be opened, read or bootstrapped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The times or numbers in the options do not fit each other.
    #[error("the raft options do not fit each other: {reason}")]
    Options {
        /// What does not fit.
        reason: String,
    },
    /// The disk failed, or holds what cannot be.
    #[error("the replica's storage failed")]
    Storage(#[from] io::Error),
    /// What is on disk contradicts itself: the log lost entries that were promised, for one. Nothing was deleted.
    #[error("the replica cannot recover from its disk: {reason}")]
    Recovery {
        /// What openraft says.
        reason: String,
    },
    /// Lines are not here: a snapshot took the place of their entries, and they are still being fetched.
    #[error("the audit of entries {from} to {upto} is not on this node yet")]
    Incomplete {
        /// The first entry whose lines are missing.
        from: u64,
        /// The last one behind it.
        upto: u64,
    },
    /// A line of the audit chain cannot be read.
    #[error("a line of the audit chain is malformed")]
    Audit(#[source] codec::Error),
    /// The genesis was applied and refused.
    #[error("the genesis was refused")]
    GenesisRefused(#[source] Refusal),
    /// The state did not reach the index in time.
    #[error("entry {index} was not applied here before the deadline")]
    NotApplied {
        /// The index.
        index: u64,
    },
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why a proposal has no outcomes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It was certainly not appended: this node does not lead.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if that is known.
        leader: Option<NodeId>,
    },
    /// It was certainly not appended: no shipment could carry it.
    #[error("a batch of {bytes} bytes is too long")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It was appended, and this node lost the leadership before it was committed: it may be applied yet.
    #[error("the leadership changed while the write was on its way: its fate is unknown")]
    Unknown,
    /// The replica has stopped; if it had taken the proposal, its fate is unknown.
    #[error("the replica has stopped: the write's fate is unknown")]
    Stopped,
}

/// Why it could not be confirmed that this node leads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// It does not.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if that is known.
        leader: Option<NodeId>,
    },
    /// It believes so, but no quorum answered.
    #[error("no quorum confirmed that this node leads")]
    NoQuorum,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why the members were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// This node does not lead.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if that is known.
        leader: Option<NodeId>,
    },
    /// Another change came first, or is on its way: look again.
    #[error("the members are being changed by another")]
    Moved,
    /// A node to be promoted is not a learner.
    #[error("node {node} is not a learner")]
    NotLearner {
        /// The node.
        node: NodeId,
    },
    /// It would leave no voter, or is not possible from here.
    #[error("this change is not possible: {reason}")]
    Impossible {
        /// Why.
        reason: String,
    },
    /// The leadership changed on the way: look again.
    #[error("the leadership changed during the change: its fate is unknown")]
    Unknown,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why a peer's request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// It cannot be read, or came over another lane than it belongs to.
    #[error("a request cannot be read: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// It speaks of another group.
    #[error("a request for another group")]
    Group,
    /// It is for another replica of the group than this node has now.
    #[error("a request for another replica of the group")]
    Replica,
    /// It speaks in the name of a node that is not its sender.
    #[error("a request in another node's name")]
    Impostor,
    /// Its program is older than the gate that is open.
    #[error("a request of a program that is older than the gate that is open")]
    Outdated,
    /// The replica has stopped.
    #[error("the replica has stopped")]
    Stopped,
}

/// An error of the seams as openraft wants it.
pub(crate) fn storage(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}
