//! Our forms of what openraft asks to be kept, and the conversions. The wire uses the same ones.
//!
//! An entry is a [`symbi_model::entry::Entry`]. Golden bytes are in this module's tests.

use crate::types::{self, Data, Id, Payload};
use openraft::entry::RaftEntry;
use openraft::{EmptyNode, EntryPayload};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::entry::{Entry, Payload as ModelPayload};
use symbi_model::{Hash, NodeId, codec};

/// The longest encoded vote, log id or membership.
pub const SMALL: usize = 64 * 1024;
/// The longest encoded entry.
pub const ENTRY: usize = codec::BATCH_MAX + 1024;

/// A log id: where an entry is, and the term of the leader that put it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    /// The term.
    pub term: u64,
    /// The index.
    pub index: u64,
}

impl From<&types::LogId> for LogId {
    fn from(id: &types::LogId) -> Self {
        Self { term: id.leader_id.term, index: id.index }
    }
}

impl From<LogId> for types::LogId {
    fn from(id: LogId) -> Self {
        Self::new(id.term.into(), id.index)
    }
}

/// A vote: for whom, in which term, and whether a quorum has granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The term.
    pub term: u64,
    /// For whom.
    pub node: NodeId,
    /// Whether a quorum has granted it.
    pub committed: bool,
}

impl From<&types::Vote> for Vote {
    fn from(vote: &types::Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.voted_for.0, committed: vote.committed }
    }
}

impl From<Vote> for types::Vote {
    fn from(vote: Vote) -> Self {
        let leader_id = types::LeaderId { term: vote.term, voted_for: Id(vote.node) };
        Self { leader_id, committed: vote.committed }
    }
}

/// Who is in the group, and since which entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The entry; none before there was any.
    pub log_id: Option<LogId>,
    /// One set of voters, two while a change is joint.
    pub voters: Vec<Vec<NodeId>>,
    /// Who replicates without a vote.
    pub learners: Vec<NodeId>,
}

impl From<&types::StoredMembership> for Membership {
    fn from(stored: &types::StoredMembership) -> Self {
        let (voters, learners) = members(stored.membership());
        Self { log_id: stored.log_id().as_ref().map(LogId::from), voters, learners }
    }
}

impl From<Membership> for types::StoredMembership {
    fn from(membership: Membership) -> Self {
        let members = membership_of(membership.voters, membership.learners);
        Self::new(membership.log_id.map(types::LogId::from), members)
    }
}

/// The row that says which generation is the state, what was last applied to it, and what its rows come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The generation.
    pub generation: u64,
    /// The last entry applied; none in an empty state.
    pub last: Option<LogId>,
    /// The last membership applied.
    pub membership: Membership,
    /// The state hash.
    pub root: Hash,
}

/// Sets of voters, and learners, as plain lists.
pub fn members(membership: &types::Membership) -> (Vec<Vec<NodeId>>, Vec<NodeId>) {
    let plain = |set: &BTreeSet<Id>| set.iter().map(|id| id.0).collect();
    let voters = membership.get_joint_config().iter().map(plain).collect();
    (voters, membership.learner_ids().map(|id| id.0).collect())
}

fn membership_of(voters: Vec<Vec<NodeId>>, learners: Vec<NodeId>) -> types::Membership {
    let voters: Vec<BTreeSet<Id>> = voters.into_iter().map(|set| set.into_iter().map(Id).collect()).collect();
    types::Membership::new_with_defaults(voters, learners.into_iter().map(Id))
}

/// Nodes as openraft wants them.
pub fn nodes(ids: impl IntoIterator<Item = NodeId>) -> BTreeMap<Id, EmptyNode> {
    ids.into_iter().map(|id| (Id(id), EmptyNode::new())).collect()
}

/// An entry in our form.
pub fn model_entry(entry: &types::Entry) -> Entry {
    let log_id = entry.log_id();
    let payload = match &entry.payload {
        EntryPayload::Blank => ModelPayload::Blank,
        EntryPayload::Normal(data) => ModelPayload::Batch(data.0.to_vec()),
        EntryPayload::Membership(membership) => {
            let (voters, learners) = members(membership);
            ModelPayload::Membership { voters, learners }
        }
    };
    Entry { term: log_id.leader_id.term, index: log_id.index, payload }
}

/// An entry in openraft's form.
pub fn raft_entry(entry: Entry) -> types::Entry {
    let payload: Payload = match entry.payload {
        ModelPayload::Blank => EntryPayload::Blank,
        ModelPayload::Batch(bytes) => EntryPayload::Normal(Data(bytes.into())),
        ModelPayload::Membership { voters, learners } => EntryPayload::Membership(membership_of(voters, learners)),
    };
    types::Entry::new(types::LogId::new(entry.term.into(), entry.index), payload)
}

/// The encoded form of an entry.
pub fn encode_entry(value: &types::Entry) -> Vec<u8> {
    codec::encode(&model_entry(value))
}

/// An entry from its encoded form.
pub fn decode_entry(bytes: &[u8]) -> Result<types::Entry, codec::Error> {
    codec::decode(bytes, ENTRY).map(raft_entry)
}

#[cfg(test)]
mod tests;
