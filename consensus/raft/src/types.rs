//! The types that openraft is instantiated with, and short names for those that it derives from them.
//!
//! They stay inside this crate, and none of them goes to disk or over the wire: see [`crate::disk`] and [`crate::wire`].

use bytes::Bytes;
use openraft::EmptyNode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use symbi_model::codec::blob;
use symbi_model::{NodeId, Outcome};

openraft::declare_raft_types!(
    /// One group's types. A committed leader is its term alone, so that election safety is what everybody checks.
    pub Types:
        D = Data,
        R = Answer,
        NodeId = Id,
        Node = EmptyNode,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

/// A node's id, of our own so that openraft's storage suite can make one from a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub NodeId);

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.short())
    }
}

#[cfg(test)]
impl From<u64> for Id {
    fn from(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Self(NodeId(bytes))
    }
}

/// What an entry carries: an encoded batch. Shared, because the cache, the disk and each follower hold it at once.
#[derive(Clone, PartialEq, Eq)]
pub struct Data(pub Bytes);

impl fmt::Debug for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        blob::deserialize(deserializer).map(|bytes| Self(bytes.into()))
    }
}

/// What applying an entry answers to whoever proposed it: one outcome a command, none for Raft's own entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer(pub Vec<Outcome>);

/// Where an entry is: a term and an index.
pub type LogId = openraft::type_config::alias::LogIdOf<Types>;
/// A term, and for whom a vote in it is.
pub type LeaderId = openraft::type_config::alias::LeaderIdOf<Types>;
/// A vote.
pub type Vote = openraft::type_config::alias::VoteOf<Types>;
/// An entry of the log.
pub type Entry = openraft::type_config::alias::EntryOf<Types>;
/// What an entry carries.
pub type Payload = openraft::type_config::alias::PayloadOf<Types>;
/// Voters and learners.
pub type Membership = openraft::Membership<Id, EmptyNode>;
/// Voters and learners, and since which entry.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
/// What openraft wants to know of a snapshot.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;
/// What openraft says of itself.
pub type Metrics = openraft::type_config::alias::WatchReceiverOf<Types, openraft::RaftMetrics<Types>>;
