//! The join protocol, which a stranger may speak: one request and one reply at a time. Its proofs are [`crate::join`]'s.

use super::{JOIN_BYTES, coded};
use crate::versions::Versions;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use symbi_model::node::{Membership, Profile};
use symbi_model::{ClusterId, Hash, NodeId, RequestId, TokenId};

/// What a stranger asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRequest {
    /// A new node begins to join: prove that you know this token.
    Hello(Hello),
    /// It proves the same, and asks to be admitted.
    Enrol(Enrol),
    /// It asks how far its join has come.
    Progress,
    /// An enrolled node that is taken for a stranger: you have not applied this index yet.
    Admit {
        /// The index of its enrolment.
        index: u64,
    },
}

/// What a member replies to a stranger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinReply {
    /// To `Hello`: the member's proof.
    Hello(HelloReply),
    /// To `Enrol`: it is admitted.
    Enrolled(Box<Enrolled>),
    /// To `Progress`.
    Progress(Progress),
    /// To `Admit`: the connection is closed now, and the next one admitted.
    Admitted,
    /// To any: no.
    Refused(Refused),
}

/// A new node's first message. It and its reply stay as they are in every version, so that both sides can say which
/// versions they speak: what a later version adds goes into later messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The token's public half.
    pub token: TokenId,
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// The versions of the join protocol that it speaks.
    pub versions: Versions,
    /// Its clock, ms since the Unix epoch.
    pub wall_ms: u64,
    /// The cluster it wants, as its token shows it.
    pub cluster_prefix: [u8; 4],
    /// The name it wants.
    pub name: String,
}

/// The member's proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// HMAC over both sides' words, with the member's label.
    pub mac: [u8; 32],
    /// The versions of the join protocol that it speaks.
    pub versions: Versions,
    /// Its clock, ms since the Unix epoch.
    pub wall_ms: u64,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub cluster_name: String,
}

/// The new node's proof, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// The nonce of the reply that it answers.
    pub nonce: [u8; 32],
    /// HMAC over both sides' words and everything here, with the joiner's label.
    pub mac: [u8; 32],
    /// The name it wants; the same as in its hello.
    pub name: String,
    /// What it says of itself.
    pub profile: Profile,
    /// Which write of which client this is, so that a repetition is harmless.
    pub request: RequestId,
}

/// What an admitted node must know to take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The log index that admitted it.
    pub index: u64,
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub cluster_name: String,
    /// The domain of its agents' identities.
    pub domain: String,
    /// Which life of the cluster this is.
    pub generation: u16,
    /// What the cluster is known by: the hash of its genesis.
    pub anchor: Hash,
    /// The members, to be used until that index is applied.
    pub roster: Vec<Neighbour>,
}

/// A member, as a new node needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its id.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub addr: SocketAddr,
}

/// How far a join has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The node's membership; none if it was never enrolled.
    pub membership: Option<Membership>,
    /// Whether it has a vote.
    pub is_voter: bool,
    /// Who leads, as far as the member knows.
    pub leader: Option<NodeId>,
    /// The last index in the member's log.
    pub last_log: u64,
    /// The last index the member knows to be committed.
    pub committed: u64,
}

/// Why a stranger is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason, for programs.
    pub code: RefusedCode,
    /// The reason, for people.
    pub detail: String,
}

/// Why a stranger is refused, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedCode {
    /// The member belongs to another cluster than the token.
    ForeignCluster,
    /// The versions of the protocol differ.
    Version,
    /// The cluster has no such token: the member cannot prove that it knows it.
    TokenUnknown,
    /// The token has expired.
    TokenExpired,
    /// The token's uses are spent.
    TokenUsed,
    /// The token was revoked.
    TokenRevoked,
    /// The proof is not that of the token's secret.
    ProofWrong,
    /// The member does not remember the hello: say it again.
    HelloFirst,
    /// The join was cleared because it did not finish: start over with a new identity.
    JoinExpired,
    /// The clocks differ by too much.
    Clock,
    /// The name is taken.
    NameTaken,
    /// A name or profile is not one that a node can have.
    Unfit,
    /// A policy does not allow it.
    Denied,
    /// Too many strangers at once: try again.
    Busy,
    /// No leader can be reached: try again, here or at another member.
    Unavailable,
    /// Nobody knows whether the node was admitted: send the same again.
    Unknown,
    /// The request makes no sense to the member.
    Malformed,
    /// The member cannot reach the new node at the address that it advertises.
    DialBack,
    /// The cluster has as many members as it may.
    ClusterFull,
}

impl RefusedCode {
    /// Whether the same request may succeed later, with nothing changed by who asks.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Busy | Self::Unavailable | Self::Unknown | Self::HelloFirst => true,
            Self::ForeignCluster
            | Self::Version
            | Self::TokenUnknown
            | Self::TokenExpired
            | Self::TokenUsed
            | Self::TokenRevoked
            | Self::ProofWrong
            | Self::JoinExpired
            | Self::Clock
            | Self::NameTaken
            | Self::Unfit
            | Self::Denied
            | Self::Malformed
            | Self::DialBack
            | Self::ClusterFull => false,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

coded!(JoinRequest, JOIN_BYTES);
coded!(JoinReply, JOIN_BYTES);
