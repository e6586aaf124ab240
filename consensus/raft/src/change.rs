//! Carries out a change of the group's members, if they are still those that the change was planned for.

use crate::disk::format;
use crate::error::ChangeError;
use crate::replica::Raft;
use crate::types::{Id, LogId, StoredMembership, Types};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, EmptyNode, Precondition};
use std::collections::BTreeSet;
use symbi_model::NodeId;

/// A change of the group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Replicate to this node, without a vote.
    AddLearner(NodeId),
    /// Give these learners a vote, all in one joint change.
    Promote(Vec<NodeId>),
    /// Take this node out, whatever it is.
    Remove(NodeId),
}

type Members = ChangeMembers<Id, EmptyNode>;

/// Changes the members as they are seen now. What is as wanted already is no error.
pub async fn change(raft: &Raft, change: MembershipChange) -> Result<(), ChangeError> {
    let mut seen = raft.metrics().borrow_watched().membership_config.as_ref().clone();
    if seen.get_joint_config().len() > 1 {
        // An earlier change stopped half-way, with its leader. Adding nobody finishes it.
        seen = submit(raft, &seen, ChangeMembers::AddVoterIds(BTreeSet::new()), true).await?;
    }
    let Some((members, retain)) = plan(&seen, change)? else { return Ok(()) };
    submit(raft, &seen, members, retain).await.map(drop)
}

/// What to ask of openraft, and whether voters that leave stay as learners; nothing if all is as wanted.
fn plan(seen: &StoredMembership, change: MembershipChange) -> Result<Option<(Members, bool)>, ChangeError> {
    let voters: BTreeSet<Id> = seen.voter_ids().collect();
    match change {
        MembershipChange::AddLearner(node) => {
            let known = seen.get_node(&Id(node)).is_some();
            Ok((!known).then(|| (ChangeMembers::AddNodes(format::nodes([node])), true)))
        }
        MembershipChange::Promote(nodes) => {
            if let Some(node) = nodes.iter().find(|node| seen.get_node(&Id(**node)).is_none()) {
                return Err(ChangeError::NotLearner { node: *node });
            }
            let new: BTreeSet<Id> = nodes.into_iter().map(Id).filter(|id| !voters.contains(id)).collect();
            Ok((!new.is_empty()).then_some((ChangeMembers::AddVoterIds(new), true)))
        }
        MembershipChange::Remove(node) => {
            let id = Id(node);
            let one = BTreeSet::from([id]);
            if voters.contains(&id) {
                return Ok(Some((ChangeMembers::RemoveVoters(one), false)));
            }
            Ok(seen.get_node(&id).map(|_| (ChangeMembers::RemoveNodes(one), true)))
        }
    }
}

async fn submit(
    raft: &Raft,
    seen: &StoredMembership,
    members: Members,
    retain: bool,
) -> Result<StoredMembership, ChangeError> {
    let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *seen.log_id() };
    match raft.change_membership_if(members, retain, [unchanged]).await {
        Ok(done) => {
            let membership = done.membership.unwrap_or_else(|| seen.membership().clone());
            Ok(StoredMembership::new(Some(done.log_id), membership))
        }
        Err(error) => Err(refusal(error)),
    }
}

fn refusal(error: RaftError<Types, ClientWriteError<Types>>) -> ChangeError {
    match error {
        RaftError::Fatal(_) => ChangeError::Stopped,
        RaftError::APIError(ClientWriteError::ForwardToLeader(to)) => {
            ChangeError::NotLeader { leader: to.leader_id.map(|id| id.0) }
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => ChangeError::Unknown,
        RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => ChangeError::Moved,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => impossible(error),
    }
}

fn impossible(
    error: ChangeMembershipError<<LogId as openraft::log_id::RaftLogId>::CommittedLeaderId, Id>,
) -> ChangeError {
    match error {
        ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_) => ChangeError::Moved,
        ChangeMembershipError::LearnerNotFound(error) => ChangeError::NotLearner { node: error.node_id.0 },
        other => ChangeError::Impossible { reason: other.to_string() },
    }
}
