//! Our forms of what openraft asks to be kept, and the conversions. The wire uses the same ones.
//!
//! An entry is a [`crate::entry::Entry`]. Golden bytes are in this module's tests.

use crate::entry::{Entry, Payload};
use crate::replica::ReplicaId;
use crate::types;
use openraft::entry::RaftEntry;
use openraft::{EmptyNode, EntryPayload};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::{Hash, codec};

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
    pub replica: ReplicaId,
    /// Whether a quorum has granted it.
    pub committed: bool,
}

impl From<&types::Vote> for Vote {
    fn from(vote: &types::Vote) -> Self {
        Self { term: vote.leader_id.term, replica: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl From<Vote> for types::Vote {
    fn from(vote: Vote) -> Self {
        let leader_id = types::LeaderId { term: vote.term, voted_for: vote.replica };
        Self { leader_id, committed: vote.committed }
    }
}

/// Who is in the group, and since which entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The entry; none before there was any.
    pub log_id: Option<LogId>,
    /// One set of voters, two while a change is joint.
    pub voters: Vec<Vec<ReplicaId>>,
    /// Who replicates without a vote.
    pub learners: Vec<ReplicaId>,
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
    /// What the rows come to.
    pub root: Hash,
}

/// Sets of voters, and learners, as plain lists.
pub fn members(membership: &types::Membership) -> (Vec<Vec<ReplicaId>>, Vec<ReplicaId>) {
    let voters = membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect();
    (voters, membership.learner_ids().collect())
}

fn membership_of(voters: Vec<Vec<ReplicaId>>, learners: Vec<ReplicaId>) -> types::Membership {
    let voters: Vec<BTreeSet<ReplicaId>> = voters.into_iter().map(|set| set.into_iter().collect()).collect();
    types::Membership::new_with_defaults(voters, learners)
}

/// Replicas as openraft wants them.
pub fn nodes(ids: impl IntoIterator<Item = ReplicaId>) -> BTreeMap<ReplicaId, EmptyNode> {
    ids.into_iter().map(|id| (id, EmptyNode::new())).collect()
}

/// An entry in our form.
pub fn our_entry(entry: &types::Entry) -> Entry {
    let log_id = entry.log_id();
    let payload = match &entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(data) => Payload::Data(data.clone()),
        EntryPayload::Membership(membership) => {
            let (voters, learners) = members(membership);
            Payload::Membership { voters, learners }
        }
    };
    Entry { term: log_id.leader_id.term, index: log_id.index, payload }
}

/// An entry in openraft's form.
pub fn raft_entry(entry: Entry) -> types::Entry {
    let payload: types::Payload = match entry.payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Data(data) => EntryPayload::Normal(data),
        Payload::Membership { voters, learners } => EntryPayload::Membership(membership_of(voters, learners)),
    };
    types::Entry::new(types::LogId::new(entry.term.into(), entry.index), payload)
}

/// The row of an entry that begins at so many bytes of the log: the number, big-endian, and the encoded entry.
pub fn pack(begin: u64, entry: &types::Entry) -> Vec<u8> {
    [begin.to_be_bytes().as_slice(), &codec::encode(&our_entry(entry))].concat()
}

/// Where the entry of a row begins.
pub fn begin(row: &[u8]) -> Result<u64, codec::Error> {
    let begin = row.first_chunk().ok_or(codec::Error::Empty)?;
    Ok(u64::from_be_bytes(*begin))
}

/// The entry of a row, and where it begins.
pub fn unpack(row: &[u8]) -> Result<(u64, types::Entry), codec::Error> {
    let begin = begin(row)?;
    Ok((begin, raft_entry(codec::decode(&row[size_of::<u64>()..], ENTRY)?)))
}

#[cfg(test)]
mod tests;
