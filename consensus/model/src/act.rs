//! Acts: what was asked for, by whom, of what, under which decision. An act is a pure function of a command, its origin and the
//! act version, so the origin's signature over a batch covers it; what `apply` made of it is the record's result.
//!
//! Names of nodes and agents' ids that only the state knows are not here: readers render them from the chain.

pub mod describe;

use crate::field::{Fields, cut};
use crate::hash::{Hash, put_bytes, put_u64};
use crate::ids::{ClusterId, GroupId, NodeId, RequestId, TokenId};
use crate::merkle;
use crate::names::Kind;
use crate::policy::PermitRef;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the bytes of a command's salted hash begin with.
pub const COMMAND_DOMAIN: &[u8] = b"symbi-command-v1\0";

/// 16 random bytes beside a command: without them its hash in the audit would let a reader guess `env` and annotations. They
/// are replicated with the batch and never exported.
pub type Salt = [u8; 16];

/// SHA-256 over [`COMMAND_DOMAIN`], the salt and the command's bytes.
#[must_use]
pub fn salted(salt: &Salt, command: &[u8]) -> Hash {
    Hash::of(&[COMMAND_DOMAIN, salt, command])
}

/// Who asked. The order of variants is the disk format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// Raft itself.
    Raft,
    /// A node.
    Node(NodeId),
    /// Whom the proposing node names, such as `user:admin`.
    Named(String),
}

/// Of what. The order of variants is the disk format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A Raft group.
    Group(GroupId),
    /// The cluster.
    Cluster(ClusterId),
    /// A node.
    Node(NodeId),
    /// An agent, by name.
    Agent(String),
    /// A join token.
    Token(TokenId),
    /// The policies.
    Policies,
    /// A user.
    User(String),
    /// An API token, by the hash of its text.
    ApiToken(Hash),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// What.
    pub kind: Kind,
    /// Who asked.
    pub actor: Actor,
    /// Of what.
    pub subject: Subject,
    /// What else the command says that everybody may know.
    pub details: Fields,
    /// The client's key; none for a node's own.
    pub request: Option<RequestId>,
    /// The permit; none where none was needed.
    pub permit: Option<PermitRef>,
    /// The command's [`salted`] hash; zeros where there is no command.
    pub command: Hash,
}

impl Actor {
    /// A named one, cut to what a record holds. Whoever names a node, or Raft, is shown to have said so: these speak for themselves.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let speaks_for_itself = name == "raft" || name.starts_with("node:");
        let name = if speaks_for_itself { format!("named:{name}") } else { name.to_owned() };
        Self::Named(cut(&name).to_owned())
    }
}

impl Subject {
    /// An agent, its name cut to what a record holds: refused commands may say anything.
    #[must_use]
    pub fn agent(name: &str) -> Self {
        Self::Agent(cut(name).to_owned())
    }

    /// A user, the name cut as well.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self::User(cut(name).to_owned())
    }
}

impl Act {
    /// One of Raft's own, or of a batch as such: there is no command.
    #[must_use]
    pub fn bare(kind: Kind, actor: Actor, group: GroupId, details: Fields) -> Self {
        let subject = Subject::Group(group);
        Self { kind, actor, subject, details, request: None, permit: None, command: Hash::default() }
    }

    /// The bytes that are hashed: kind, actor and subject as texts behind their lengths; the details; request and decision as texts
    /// behind their lengths, empty for none; the policy set (0 for none) and the command's salted hash. Integers and lengths
    /// are eight big-endian bytes.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        put_bytes(&mut out, self.kind.name().as_bytes());
        put_bytes(&mut out, self.actor.to_string().as_bytes());
        put_bytes(&mut out, self.subject.to_string().as_bytes());
        self.details.put_canonical(&mut out);
        put_bytes(&mut out, self.request.map(|request| request.to_string()).unwrap_or_default().as_bytes());
        put_bytes(&mut out, self.permit.map(|permit| permit.decision.to_string()).unwrap_or_default().as_bytes());
        put_u64(&mut out, self.permit.map_or(0, |permit| permit.policy_set.0));
        out.extend_from_slice(&self.command.0);
        out
    }

    /// Its leaf in the batch's tree (RFC 6962): SHA-256 over 0x00 and the canonical bytes.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        merkle::leaf(&self.canonical())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raft => formatter.write_str("raft"),
            Self::Node(node) => write!(formatter, "node:{node}"),
            Self::Named(name) => formatter.write_str(name),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => write!(formatter, "group:{group}"),
            Self::Cluster(cluster) => write!(formatter, "cluster:{cluster}"),
            Self::Node(node) => write!(formatter, "node:{node}"),
            Self::Agent(name) => write!(formatter, "agent:{name}"),
            Self::Token(token) => write!(formatter, "token:{token}"),
            Self::Policies => formatter.write_str("policies"),
            Self::User(user) => write!(formatter, "user:{user}"),
            Self::ApiToken(hash) => write!(formatter, "api-token:{hash}"),
        }
    }
}
