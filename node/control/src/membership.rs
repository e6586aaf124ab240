//! Membership: who replicates the control group, who votes, and when a join is over.
//!
//! [`plan`] is pure and says the one next step; the leader carries it out, looks again, and so comes to rest. Voters go from
//! one to three to five, always by a pair of learners in one joint change. A death changes nothing here, and neither does
//! anything while a change is on its way. Before the voters change, the audit chain says who is to follow, and those who vote now
//! witness it: so trust passes from one set to the next. A removed voter leaves by itself, one at a time, after a learner has taken its
//! place if there is one that can.

mod naming;
mod observer;
#[cfg(test)]
mod tests;
mod view;

pub use observer::Observer;
pub use view::{Agreed, Candidate, Change, Naming, Replication, Step, View};

use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::node::Membership;

/// A join that has got no further for so long is cleared.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(120);
/// The most voters.
pub const VOTERS: usize = 5;

/// The next step, or none if all is as it should be or must wait.
#[must_use]
pub fn plan(view: &View) -> Option<Step> {
    // A group that leads has a voter: without one the view is not filled in yet.
    if view.joint || view.voters.is_empty() {
        return None;
    }
    let steps = [drop_removed, replace_removed, clear_join, add_learner, promote, finish_join];
    let next = || steps.into_iter().find_map(|step| step(view).and_then(|step| naming::admit(view, step)));
    naming::settle(view).or_else(next).or_else(|| naming::give_up(view))
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

/// The learners that may vote, the one that was enrolled first first. Having the log is not enough: what a learner was given as the
/// state could be anything, until a checkpoint that it closed itself is the one that was witnessed.
fn ready(view: &View) -> Vec<NodeId> {
    let caught_up = view.learners.iter().filter(|(node, caught_up)| **caught_up && view.matched.contains(node));
    let candidates = caught_up.filter_map(|(node, _)| view.nodes.get(node).map(|candidate| (candidate, *node)));
    let mut ready: Vec<_> = candidates.filter(|(candidate, _)| candidate.is_ready()).collect();
    ready.sort_by_key(|(candidate, node)| (candidate.enrolled_at, *node));
    ready.into_iter().map(|(_, node)| node).collect()
}

/// A joiner is through once it votes, or has caught up and no vote is wanted of it now.
fn finish_join(view: &View) -> Option<Step> {
    let named = view.naming.next.iter().filter(|_| !view.naming.is_old && !view.hold_promotions).flatten();
    let is_to_vote = |node: &NodeId| named.clone().any(|named| named == node);
    let has_caught_up = |node: &NodeId| view.learners.get(node) == Some(&true);
    let through = |node: &NodeId| view.voters.contains(node) || (has_caught_up(node) && !is_to_vote(node));
    joining(view).find(|(node, _)| through(node)).map(|(node, _)| Step::FinishJoin(node))
}

fn joining(view: &View) -> impl Iterator<Item = (NodeId, &Candidate)> {
    let nodes = view.nodes.iter().map(|(node, candidate)| (*node, candidate));
    nodes.filter(|(_, candidate)| candidate.membership == Membership::Joining)
}

fn membership(view: &View, node: &NodeId) -> Option<Membership> {
    view.nodes.get(node).map(|candidate| candidate.membership)
}
