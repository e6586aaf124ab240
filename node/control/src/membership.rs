//! Membership: who replicates the control group, who votes, and when a join is over.
//!
//! [`plan`] is pure and says the one next step; the leader carries it out, looks again, and so comes to rest. Voters go from
//! one to three to five, always by a pair of learners in one joint change. A death changes nothing here, and neither does
//! anything while a change is on its way. A removed voter leaves by itself, one at a time, after a learner has taken its
//! place if there is one that can.

mod observer;
#[cfg(test)]
mod tests;

pub use observer::Observer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::node::Membership;

/// A join that has got no further for so long is cleared.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The most voters.
pub const VOTERS: usize = 5;

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

/// What a plan is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Every node that was ever enrolled.
    pub nodes: BTreeMap<NodeId, Candidate>,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who replicates without a vote, and whether it has caught up.
    pub learners: BTreeMap<NodeId, bool>,
    /// Whether a change is on its way.
    pub joint: bool,
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

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Change the group.
    Change(Change),
    /// Propose that the node's join is finished.
    FinishJoin(NodeId),
    /// Propose that the node's join is cleared.
    ClearJoin(NodeId),
}

/// The next step, or none if all is as it should be or must wait.
#[must_use]
pub fn plan(view: &View) -> Option<Step> {
    // A group that leads has a voter: without one the view is not filled in yet.
    if view.joint || view.voters.is_empty() {
        return None;
    }
    let steps = [drop_removed, replace_removed, clear_join, add_learner, promote, finish_join];
    steps.into_iter().find_map(|step| step(view))
}

/// A learner that was removed, or whose join was cleared, is not replicated to for ever.
fn drop_removed(view: &View) -> Option<Step> {
    let removed = |node: &&NodeId| membership(view, node) == Some(Membership::Removed);
    view.learners.keys().find(removed).map(|node| Step::Change(Change::Remove(*node)))
}

/// A removed voter loses its vote, when a learner has taken its place or there is none that could: a change needs a
/// majority, which a dead voter only makes harder to reach. The last voter stays, whatever it is.
fn replace_removed(view: &View) -> Option<Step> {
    let is_removed = |node: &&NodeId| membership(view, node) == Some(Membership::Removed);
    let removed = *view.voters.iter().find(is_removed)?;
    let living = view.voters.iter().filter(|node| !is_removed(node)).count();
    if living == 0 {
        return None;
    }
    let wanted = (living | 1).min(VOTERS);
    let heirs = ready(view);
    match heirs.first() {
        Some(heir) if living < wanted && !view.hold_promotions => Some(Step::Change(Change::Promote(vec![*heir]))),
        _ => Some(Step::Change(Change::Remove(removed))),
    }
}

fn clear_join(view: &View) -> Option<Step> {
    let mut joining = joining(view);
    joining
        .find(|(node, candidate)| candidate.overdue && !view.voters.contains(node))
        .map(|(node, _)| Step::ClearJoin(node))
}

fn add_learner(view: &View) -> Option<Step> {
    let absent = |node: &NodeId| !view.voters.contains(node) && !view.learners.contains_key(node);
    let mut present = view.nodes.iter().filter(|(_, candidate)| candidate.membership != Membership::Removed);
    present.find(|(node, _)| absent(node)).map(|(node, _)| Step::Change(Change::AddLearner(*node)))
}

/// All the voters that are wanted, or nobody: an even number of voters tolerates no more than one less would.
fn promote(view: &View) -> Option<Step> {
    let wanted = (view.voters.len() + 1) | 1;
    if view.hold_promotions || wanted > VOTERS {
        return None;
    }
    let missing = wanted - view.voters.len();
    let chosen: Vec<NodeId> = ready(view).into_iter().take(missing).collect();
    (chosen.len() == missing).then_some(Step::Change(Change::Promote(chosen)))
}

/// The learners that may vote, the one that was enrolled first first.
fn ready(view: &View) -> Vec<NodeId> {
    let caught_up = view.learners.iter().filter(|(_, caught_up)| **caught_up);
    let candidates = caught_up.filter_map(|(node, _)| view.nodes.get(node).map(|candidate| (candidate, *node)));
    let mut ready: Vec<_> = candidates.filter(|(candidate, _)| candidate.is_ready()).collect();
    ready.sort_by_key(|(candidate, node)| (candidate.enrolled_at, *node));
    ready.into_iter().map(|(_, node)| node).collect()
}

/// A joiner is through once it votes, or has caught up and no vote is wanted of it now.
fn finish_join(view: &View) -> Option<Step> {
    let through = |node: &NodeId| view.voters.contains(node) || view.learners.get(node) == Some(&true);
    joining(view).find(|(node, _)| through(node)).map(|(node, _)| Step::FinishJoin(node))
}

fn joining(view: &View) -> impl Iterator<Item = (NodeId, &Candidate)> {
    let nodes = view.nodes.iter().map(|(node, candidate)| (*node, candidate));
    nodes.filter(|(_, candidate)| candidate.membership == Membership::Joining)
}

fn membership(view: &View, node: &NodeId) -> Option<Membership> {
    view.nodes.get(node).map(|candidate| candidate.membership)
}

impl Candidate {
    fn is_ready(&self) -> bool {
        match self.membership {
            Membership::Joining => true,
            Membership::Member => self.healthy,
            Membership::Removed => false,
        }
    }
}
