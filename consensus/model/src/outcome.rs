//! What became of a command. On disk, on the wire and in records it is a [`Coded`]: a number and typed values, no prose, so that
//! replicas of two versions agree on its bytes and one that does not know a code can still pass it on.

mod coded;
mod limit;

pub use coded::Coded;
pub use limit::Limit;

use crate::agent::Tier;
use crate::ids::{AgentId, Epoch, NodeId, PolicyNumber};
use crate::names::Code;
use serde::{Deserialize, Serialize};

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Coded", into = "Coded")]
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
    /// A policy set was made and is the current one.
    PoliciesApplied {
        /// Its number.
        number: PolicyNumber,
    },
    /// Anchors of ledgers were looked at.
    Anchored {
        /// What became of each, in their order: [`Code::DONE`], or why it is none.
        answers: Vec<Code>,
    },
    /// It was not done, and changed nothing.
    Refused(Refusal),
    /// What a later version of this program made of it.
    Unknown(Coded),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// One user has more clients than may be remembered for one.
    #[error("too many clients of this user within ten minutes; other users are not affected")]
    ClientShare,
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
    /// The node is about to stop.
    #[error("the node is about to stop")]
    NodeLeaving,
    /// Reservations would exceed what the node offers.
    #[error("the node's reservations would exceed what it offers")]
    NoRoom,
    /// A bound of the model was exceeded.
    #[error("over a limit: {}", limit.in_words(*max))]
    Limit {
        /// Which.
        limit: Limit,
        /// The most that is allowed.
        max: u64,
    },
    /// An invariant would not hold afterwards: a defect, kept out of the state.
    #[error("invariant {invariant} would not hold")]
    InvariantBroken {
        /// Its name.
        invariant: String,
    },
    /// A node's own command came from another node.
    #[error("a node may say this of itself only")]
    ForeignNode,
    /// The node is not what the agent's spec asks for.
    #[error("the node does not suit the agent: it has no {lacks}")]
    Unsuitable {
        /// What it lacks.
        lacks: Lack,
    },
    /// The node is up, or holds agents.
    #[error("the node is still in use: only a node that is down and holds no agent is removed")]
    NodeInUse,
    /// Another write came first.
    #[error("the record was changed meanwhile: it is of version {current} by now")]
    VersionMoved {
        /// The record's version.
        current: u64,
    },
    /// An update that would change what stays.
    #[error("an agent keeps its name and its owner: make another agent for another owner")]
    Fixed,
    /// A rollback of an agent that was never updated.
    #[error("the agent was never updated: there is no spec of before")]
    NoPrevious,
    /// The spec is not the one that the command's hash names.
    #[error("the spec is not the one that the command names by its hash")]
    SpecHash,
    /// The command, or the batch, belongs to a version that was not finalized.
    #[error("this needs gate {gate}, which `upgrade finalize` has not opened yet")]
    GateClosed {
        /// The gate it needs.
        gate: u32,
    },
    /// Other voters are named to follow.
    #[error("other voters are named to follow: they must be settled or given up first")]
    VotersNamed,
    /// Not those who were named, or none that could be.
    #[error("these are not the voters that were named to follow, or cannot be")]
    VotersOther,
    /// The user who asked, or the token that was shown, is not there any more.
    #[error("the user or the API token that asked was removed, revoked, or has expired")]
    CredentialRevoked,
    /// Nobody could change the policies afterwards.
    #[error("afterwards nobody could administer the cluster")]
    Lockout,
    /// A member's program does not speak the gate.
    #[error("node {node} speaks no higher gate than {speaks}: upgrade it first")]
    GateUnspoken {
        /// The node.
        node: NodeId,
        /// The highest gate that it speaks.
        speaks: u32,
    },
}

/// What a node lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A tier, by name.
    Tier(String),
    /// A label.
    Label(String),
}

impl Lack {
    /// The lack of a tier.
    #[must_use]
    pub fn tier(tier: Tier) -> Self {
        Self::Tier(tier.to_string())
    }
}

impl std::fmt::Display for Lack {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tier(tier) => write!(formatter, "tier {tier}"),
            Self::Label(label) => write!(formatter, "label {label}"),
        }
    }
}

impl Outcome {
    /// The stable code that audit records, HTTP and the command line show: `DONE`, or that of the refusal.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Done
            | Self::Created { .. }
            | Self::Placed { .. }
            | Self::PoliciesApplied { .. }
            | Self::Anchored { .. } => Code::DONE,
            Self::Refused(refusal) => refusal.code(),
            Self::Unknown(coded) => coded.code,
        }
    }
}

impl Refusal {
    /// The stable code, such as `NAME_TAKEN`.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::PolicyMoved { .. } => Code::POLICY_MOVED,
            Self::OriginNotMember => Code::ORIGIN_NOT_MEMBER,
            Self::BadSignature => Code::BAD_SIGNATURE,
            Self::StaleTerm => Code::STALE_TERM,
            Self::PermitMissing => Code::PERMIT_MISSING,
            Self::KeyReused => Code::KEY_REUSED,
            Self::KeyTooOld => Code::KEY_TOO_OLD,
            Self::KeyFromFuture => Code::KEY_FROM_FUTURE,
            Self::TooManyClients => Code::TOO_MANY_CLIENTS,
            Self::ClientShare => Code::CLIENT_SHARE,
            Self::ClusterExists => Code::CLUSTER_EXISTS,
            Self::NameTaken => Code::NAME_TAKEN,
            Self::NotFound => Code::NOT_FOUND,
            Self::TokenUnknown => Code::TOKEN_UNKNOWN,
            Self::TokenExpired => Code::TOKEN_EXPIRED,
            Self::TokenUsed => Code::TOKEN_USED,
            Self::TokenRevoked => Code::TOKEN_REVOKED,
            Self::JoinExpired => Code::JOIN_EXPIRED,
            Self::StaleEpoch => Code::STALE_EPOCH,
            Self::StillHeld => Code::STILL_HELD,
            Self::NotWanted => Code::NOT_WANTED,
            Self::NodeUnavailable => Code::NODE_UNAVAILABLE,
            Self::NodeLeaving => Code::NODE_LEAVING,
            Self::NoRoom => Code::NO_ROOM,
            Self::Limit { .. } => Code::LIMIT,
            Self::InvariantBroken { .. } => Code::INVARIANT_BROKEN,
            Self::ForeignNode => Code::FOREIGN_NODE,
            Self::Unsuitable { .. } => Code::UNSUITABLE,
            Self::NodeInUse => Code::NODE_IN_USE,
            Self::VersionMoved { .. } => Code::VERSION_MOVED,
            Self::Fixed => Code::FIXED,
            Self::NoPrevious => Code::NO_PREVIOUS,
            Self::SpecHash => Code::SPEC_HASH,
            Self::GateClosed { .. } => Code::GATE_CLOSED,
            Self::GateUnspoken { .. } => Code::GATE_UNSPOKEN,
            Self::VotersNamed => Code::VOTERS_NAMED,
            Self::VotersOther => Code::VOTERS_OTHER,
            Self::CredentialRevoked => Code::CREDENTIAL_REVOKED,
            Self::Lockout => Code::LOCKOUT,
        }
    }
}
