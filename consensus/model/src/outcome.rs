//! What became of a command.

use crate::ids::{AgentId, Epoch, PolicyNumber};
use serde::{Deserialize, Serialize};

/// What became of one command. The order of variants is the disk format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done,
    /// An agent was recorded.
    Created {
        /// Its id: the one minted by the proposer that won.
        id: AgentId,
    },
    /// An agent was placed.
    Placed {
        /// The new fence.
        epoch: Epoch,
    },
    /// It was not done, and changed nothing.
    Refused(Refusal),
    /// A policy set was made and is the current one.
    PoliciesApplied {
        /// Its number.
        number: PolicyNumber,
    },
}

/// Why a command changed nothing. The order of variants is the disk format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The permit's policy set is no longer current: judge again.
    #[error("the policies have changed since this was permitted; the current set is {current}")]
    PolicyMoved {
        /// The current set.
        current: PolicyNumber,
    },
    /// The node that proposed is not a member.
    #[error("the proposing node is not a member")]
    OriginNotMember,
    /// The batch's signature does not verify.
    #[error("the batch's signature does not verify")]
    BadSignature,
    /// A leader's command reached the log under another term, or came from a node that did not lead.
    #[error("decided in another term than the one that carries it")]
    StaleTerm,
    /// The command needs a permit and came without one.
    #[error("the command came without a permit")]
    PermitMissing,
    /// The key was used for another command.
    #[error("this request key was used for another command")]
    KeyReused,
    /// The key is older than what is remembered.
    #[error("this request key is too old to tell whether it was carried out")]
    KeyTooOld,
    /// The key's time lies in the future.
    #[error("this request key's time lies more than ten minutes ahead")]
    KeyFromFuture,
    /// Too many clients at once.
    #[error("too many clients within ten minutes")]
    TooManyClients,
    /// The cluster exists already.
    #[error("the cluster exists already")]
    ClusterExists,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// No such join token.
    #[error("no such join token")]
    TokenUnknown,
    /// The join token has expired.
    #[error("the join token has expired")]
    TokenExpired,
    /// The join token's uses are spent.
    #[error("the join token's uses are spent")]
    TokenUsed,
    /// The join token was revoked.
    #[error("the join token was revoked")]
    TokenRevoked,
    /// The join was cleared because it never finished.
    #[error("this join was cleared because it did not finish in time")]
    JoinExpired,
    /// The epoch is not the one expected.
    #[error("the epoch is no longer the one expected")]
    StaleEpoch,
    /// The placement is still held.
    #[error("the placement is still held")]
    StillHeld,
    /// The agent is not wanted running.
    #[error("the agent is not wanted running")]
    NotWanted,
    /// The node cannot take the agent.
    #[error("the node is not a member that is up")]
    NodeUnavailable,
    /// Reservations would exceed what the node offers.
    #[error("the node's reservations would exceed what it offers")]
    NoRoom,
    /// A bound of the model was exceeded.
    #[error("over a limit: {what}")]
    Limit {
        /// Which.
        what: String,
    },
    /// An invariant would not hold afterwards: a defect, kept out of the state.
    #[error("invariant {name} would not hold")]
    InvariantBroken {
        /// Its name.
        name: String,
    },
    /// A node's own command came from another node.
    #[error("a node may say this of itself only")]
    ForeignNode,
    /// The node is not what the agent's spec asks for.
    #[error("the node does not suit the agent: {what}")]
    Unsuitable {
        /// What it lacks.
        what: String,
    },
    /// The anchor is not beyond the one before.
    #[error("the ledger was anchored as far as this before")]
    StaleAnchor,
    /// The node is up, or holds agents.
    #[error("the node is still in use: only a node that is down and holds no agent is removed")]
    NodeInUse,
}

impl Outcome {
    /// What audit records show: `DONE`, or the code of the refusal.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Done | Self::Created { .. } | Self::Placed { .. } | Self::PoliciesApplied { .. } => "DONE",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

impl Refusal {
    /// The stable code that audit records, HTTP and the CLI show, such as `NAME_TAKEN`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::PolicyMoved { .. } => "POLICY_MOVED",
            Self::OriginNotMember => "ORIGIN_NOT_MEMBER",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::StaleTerm => "STALE_TERM",
            Self::PermitMissing => "PERMIT_MISSING",
            Self::KeyReused => "KEY_REUSED",
            Self::KeyTooOld => "KEY_TOO_OLD",
            Self::KeyFromFuture => "KEY_FROM_FUTURE",
            Self::TooManyClients => "TOO_MANY_CLIENTS",
            Self::ClusterExists => "CLUSTER_EXISTS",
            Self::NameTaken => "NAME_TAKEN",
            Self::NotFound => "NOT_FOUND",
            Self::TokenUnknown => "TOKEN_UNKNOWN",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenUsed => "TOKEN_USED",
            Self::TokenRevoked => "TOKEN_REVOKED",
            Self::JoinExpired => "JOIN_EXPIRED",
            Self::StaleEpoch => "STALE_EPOCH",
            Self::StillHeld => "STILL_HELD",
            Self::NotWanted => "NOT_WANTED",
            Self::NodeUnavailable => "NODE_UNAVAILABLE",
            Self::NoRoom => "NO_ROOM",
            Self::Limit { .. } => "LIMIT",
            Self::InvariantBroken { .. } => "INVARIANT_BROKEN",
            Self::ForeignNode => "FOREIGN_NODE",
            Self::Unsuitable { .. } => "UNSUITABLE",
            Self::StaleAnchor => "STALE_ANCHOR",
            Self::NodeInUse => "NODE_IN_USE",
        }
    }
}
