//! Carries out a change of the group's members, if they are still those that the change was planned for.

use crate::applier::Raft;
use crate::disk::format;
use crate::error::ChangeError;
use crate::machine::Machine;
use crate::replica::ReplicaId;
use crate::types::{LogId, StoredMembership, Types};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::{ChangeMembers, EmptyNode, Precondition};
use std::collections::BTreeSet;

/// A change of the group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Replicate to this replica, without a vote.
    AddLearner(ReplicaId),
    /// Give these learners a vote, all in one joint change.
    Promote(Vec<ReplicaId>),
    /// Take this replica out, whatever it is.
    Remove(ReplicaId),
}

type Members = ChangeMembers<ReplicaId, EmptyNode>;

/// Changes the members as they are seen now. What is as wanted already is no error.
pub async fn change<M: Machine>(raft: &Raft<M>, change: MembershipChange) -> Result<(), ChangeError> {
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
    let voters: BTreeSet<ReplicaId> = seen.voter_ids().collect();
    match change {
        MembershipChange::AddLearner(replica) => {
            let known = seen.get_node(&replica).is_some();
            Ok((!known).then(|| (ChangeMembers::AddNodes(format::nodes([replica])), true)))
        }
        MembershipChange::Promote(replicas) => {
            if let Some(replica) = replicas.iter().find(|replica| seen.get_node(*replica).is_none()) {
                return Err(ChangeError::NotLearner { node: replica.node });
            }
            let new: BTreeSet<ReplicaId> = replicas.into_iter().filter(|id| !voters.contains(id)).collect();
            Ok((!new.is_empty()).then_some((ChangeMembers::AddVoterIds(new), true)))
        }
        MembershipChange::Remove(id) => {
            let one = BTreeSet::from([id]);
            if voters.contains(&id) {
                return Ok(Some((ChangeMembers::RemoveVoters(one), false)));
            }
            Ok(seen.get_node(&id).map(|_| (ChangeMembers::RemoveNodes(one), true)))
        }
    }
}

async fn submit<M: Machine>(
    raft: &Raft<M>,
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
            ChangeError::NotLeader { leader: to.leader_id.map(|id| id.node) }
        }
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => ChangeError::Unknown,
        RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => ChangeError::Moved,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => impossible(error),
    }
}

fn impossible(
    error: ChangeMembershipError<<LogId as openraft::log_id::RaftLogId>::CommittedLeaderId, ReplicaId>,
) -> ChangeError {
    match error {
        ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_) => ChangeError::Moved,
        ChangeMembershipError::LearnerNotFound(error) => ChangeError::NotLearner { node: error.node_id.node },
        other => ChangeError::Impossible { reason: other.to_string() },
    }
}
