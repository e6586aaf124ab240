//! What a membership plan is made from, and what it may ask for.

use std::collections::{BTreeMap, BTreeSet};
use symbi_model::command::Phase;
use symbi_model::node::Membership;
use symbi_model::{Hash, NodeId};

/// A change of the group that the leader's Raft is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replicates to the node, without a vote.
    AddLearner(NodeId),
    /// Gives these learners a vote, all in one joint change.
    Promote(Vec<NodeId>),
    /// Replicates to the node no more, and takes its vote if it has one.
    Remove(NodeId),
}

/// Who replicates, as the leader's Raft has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who replicates without a vote, and up to which index it is known to have the log.
    pub learners: BTreeMap<NodeId, u64>,
    /// To whom a snapshot is on its way, and how many of its bytes have been taken: before the log says anything of a new replica, this
    /// does.
    pub snapshots: BTreeMap<NodeId, u64>,
    /// The last index of the leader's log.
    pub last_log: u64,
    /// Whether a change is on its way.
    pub joint: bool,
}

/// What the voters have agreed on by signing the audit chain's checkpoints, and who with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The digest of the last hop that was witnessed.
    pub hop: Option<Hash>,
    /// The nodes without a vote that have closed a checkpoint themselves as it was witnessed.
    pub matched: BTreeSet<NodeId>,
}

/// What a plan is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Every node that was ever enrolled.
    pub nodes: BTreeMap<NodeId, Candidate>,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who replicates without a vote, and whether it has caught up.
    pub learners: BTreeMap<NodeId, bool>,
    /// Who has closed a checkpoint itself as those who rule have witnessed it: others get no vote.
    pub matched: BTreeSet<NodeId>,
    /// Whether a change is on its way.
    pub joint: bool,
    /// Who rules by the audit chain, and who is to follow.
    pub naming: Naming,
    /// No promotion now: the last one has just failed. Joiners are finished as learners meanwhile.
    pub hold_promotions: bool,
}

/// A node, as far as membership is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How far it has come.
    pub membership: Membership,
    /// Whether the leader hears it. (A joiner asks for no grants; that it catches up shows that it lives.)
    pub healthy: bool,
    /// It is joining, and has got no further for [`JOIN_TIMEOUT`].
    pub overdue: bool,
    /// The log index that enrolled it: the order of promotion.
    pub enrolled_at: u64,
}

/// Who rules by the audit chain, and who is to follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Who rules, by rising id; nobody before there is a cluster.
    pub ruling: Vec<NodeId>,
    /// Who is named to follow, by rising id.
    pub next: Option<Vec<NodeId>>,
    /// Whether those who rule have witnessed it.
    pub is_witnessed: bool,
    /// It was said so long ago that what it was said for will not happen any more.
    pub is_old: bool,
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Propose that these voters are named to follow, rule, or are given up.
    Voters(Phase, Vec<NodeId>),
    /// Change the group.
    Change(Change),
    /// Propose that the node's join is finished.
    FinishJoin(NodeId),
    /// Propose that the node's join is cleared.
    ClearJoin(NodeId),
}

impl View {
    /// Who votes, by rising id.
    pub(super) fn seats(&self) -> Vec<NodeId> {
        self.voters.iter().copied().collect()
    }
}

impl Candidate {
    pub(super) fn is_ready(&self) -> bool {
        match self.membership {
            Membership::Joining => true,
            Membership::Member => self.healthy,
            Membership::Removed => false,
        }
    }
}
