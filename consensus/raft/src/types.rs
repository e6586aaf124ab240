//! The types that openraft is instantiated with, and short names for those that it derives from them.
//!
//! They stay inside this crate, and none of them goes to disk or over the wire: see [`crate::disk`] and [`crate::wire`].
//! They are the same for every group, whatever its machine: what an entry carries and what applying it answers are bytes.

use crate::entry::Data;
use crate::replica::ReplicaId;
use openraft::EmptyNode;
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// Every group's types. A committed leader is its term alone, so that election safety is what everybody checks.
    pub Types:
        D = Data,
        R = Answer,
        NodeId = ReplicaId,
        Node = EmptyNode,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

/// What applying an entry answers to whoever proposed it: bytes that the group's machine has made, none for Raft's own entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer(pub Data);

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
pub type Membership = openraft::Membership<ReplicaId, EmptyNode>;
/// Voters and learners, and since which entry.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<Types>;
/// What openraft wants to know of a snapshot.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;
/// A snapshot, and what openraft wants to know of it.
pub type Snapshot<D> = openraft::type_config::alias::SnapshotOf<Types, D>;
/// What openraft says of itself.
pub type Metrics = openraft::type_config::alias::WatchReceiverOf<Types, openraft::RaftMetrics<Types>>;
