//! Who may get a vote: a node whose own replica has closed a checkpoint as the voters have witnessed it. A snapshot could hold
//! anything; what is applied to it comes to the same only if it was the same.
//!
//! Each node that does not vote tells the leader the newest checkpoint that its replica has closed itself and all records of which are on
//! its disk, at most once a second and until the leader of the term has heard it ([`Teller`]); or that there is none, while it has not
//! closed one since its last snapshot, or lacks records. So nobody gets a vote who could sign nothing, and a voter's disk that is lost
//! takes no record with it. The leader holds what it hears against its [`Book`] ([`Learners`]): what is not witnessed yet may be in a
//! moment, and what has matched once stays so, until the node says that it has none, or something else of a size that is known.

use super::book::Book;
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::node::Membership;
use symbi_model::{Claim, NodeId, State};
use symbi_raft::Status;

/// What the nodes have closed that do not vote, as they say.
///
/// Invariant: after a look, it speaks of members of the cluster alone.
#[derive(Debug, Default)]
pub struct Learners {
    /// The newest that each has closed, while it is not known whether it is what was witnessed.
    closed: BTreeMap<NodeId, Claim>,
    /// Those whose was.
    matched: BTreeSet<NodeId>,
}

impl Learners {
    /// A node has closed a checkpoint, or has none that is its own and whole.
    pub fn hear(&mut self, node: NodeId, claim: Option<Claim>) {
        match claim {
            Some(claim) => {
                self.closed.insert(node, claim);
            }
            None => {
                self.closed.remove(&node);
                self.matched.remove(&node);
            }
        }
    }

    /// Who has closed what was witnessed.
    pub fn look(&mut self, book: &Book, state: &State) -> BTreeSet<NodeId> {
        let is_member =
            |node: &NodeId| state.nodes.get(node).is_some_and(|node| node.membership != Membership::Removed);
        self.closed.retain(|node, _| is_member(node));
        self.matched.retain(is_member);
        let matched = &mut self.matched;
        self.closed.retain(|node, claim| match book.verdict(claim) {
            Some(true) => {
                matched.insert(*node);
                false
            }
            Some(false) => {
                tracing::error!(node = %node.short(), size = claim.size, "a node without a vote has another history than the voters");
                matched.remove(node);
                false
            }
            None => true,
        });
        self.matched.clone()
    }
}

/// What was told to the leader of what this replica has closed.
#[derive(Debug, Default)]
pub struct Teller {
    /// What the leader of a term has heard.
    heard: Option<(u64, Option<Claim>)>,
    /// Whether something is on its way.
    is_telling: bool,
}

impl Teller {
    /// Whom to tell what now, if this node does not vote and there is something that the leader has not heard. `installed` is the index
    /// of the last snapshot: what is not behind it was closed by somebody else. `missing` are the entries whose records are not on the
    /// disk.
    pub fn next(
        &mut self,
        node: &NodeId,
        status: &Status,
        state: &State,
        installed: Option<u64>,
        missing: &[(u64, u64)],
    ) -> Option<(NodeId, Option<Claim>)> {
        let leader = status.leader.filter(|leader| leader != node)?;
        if self.is_telling || status.voters.iter().flatten().any(|voter| voter == node) {
            return None;
        }
        let is_own = |index: u64| installed.is_none_or(|installed| installed < index);
        let last = state.recent.closed().next_back().or(state.checkpoint.as_ref());
        let is_whole = |index: u64| missing.iter().all(|(from, _)| *from > index);
        let own = last.filter(|checkpoint| is_own(checkpoint.index) && is_whole(checkpoint.index));
        let claim = own.map(|checkpoint| checkpoint.claim());
        if self.heard == Some((status.term, claim)) {
            return None;
        }
        self.is_telling = true;
        Some((leader, claim))
    }

    /// The leader of a term has heard it; or nobody has.
    pub fn told(&mut self, heard: Option<(u64, Option<Claim>)>) {
        self.is_telling = false;
        self.heard = heard.or(self.heard);
    }
}

#[cfg(test)]
mod tests;
