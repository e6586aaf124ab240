//! The audit chain, as far as the state must know it to let it grow and to close it with a checkpoint: one row.

use super::State;
use crate::ids::NodeId;
use crate::merkle::Frontier;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The tree over the hashes of all records from the genesis on.
    pub frontier: Frontier,
    /// Whose word a checkpoint needs.
    pub ruling: Ruling,
    /// Who votes by Raft's last word: one set, two while a change is joint. Ids rise.
    pub seats: Vec<Vec<NodeId>>,
}

/// Who rules, and who is to follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// Who rules: ids rise. None before there is a cluster.
    pub voters: Vec<NodeId>,
    /// Who is named to follow: ids rise.
    pub next: Option<Vec<NodeId>>,
}

impl State {
    /// Why this cannot be what `own` becomes with more entries, as far as the two say so of the chain without the records between; none
    /// if it can, or if `own` is as far as this.
    ///
    /// The tree must be one of as many leaves as there are records, go on from the tree of `own`, and have the root that the last
    /// checkpoint says if that closed it.
    #[must_use]
    pub fn foreign_to(&self, own: &Self) -> Option<&'static str> {
        let (tree, records) = (&self.chain.frontier, self.counters.audit_records);
        let outside = |state: &Self| state.counters.audit_records.checked_sub(state.chain.frontier.size());
        if !tree.is_sound() || outside(self).is_none() {
            return Some("its tree is not one of its records");
        }
        let closed = self.checkpoint.as_deref();
        if closed.is_some_and(|closed| !closed.is_within(tree, self.counters.audit_head)) {
            return Some("its tree is not the one that its last checkpoint closed");
        }
        if own.counters.applied_index >= self.counters.applied_index || own.cluster.is_none() {
            return None;
        }
        if own.cluster.as_ref().map(|cluster| cluster.id) != self.cluster.as_ref().map(|cluster| cluster.id) {
            return Some("it is another cluster's");
        }
        let goes_on = records >= own.counters.audit_records && tree.extends(&own.chain.frontier);
        // What Raft did before there was a cluster stays outside of the tree, and nothing else comes to be there.
        (!goes_on || outside(self) != outside(own)).then_some("its tree does not go on from this one's")
    }

    /// The same with an empty tree: what a planted defect makes of it.
    #[must_use]
    pub fn without_tree(mut self) -> Self {
        Arc::make_mut(&mut self.chain).frontier = Frontier::default();
        self.recounted()
    }
}

impl Chain {
    /// The sets whose majorities a checkpoint needs: those who rule, and while Raft goes over to those who follow, or has gone, these
    /// as well.
    #[must_use]
    pub fn sets(&self) -> Vec<Vec<NodeId>> {
        let next = self.ruling.next.iter().filter(|next| self.seats.contains(next));
        std::iter::once(&self.ruling.voters).chain(next).cloned().collect()
    }

    /// Whether Raft's voters are these, and nobody else.
    #[must_use]
    pub fn is_seated(&self, voters: &[NodeId]) -> bool {
        matches!(self.seats.as_slice(), [only] if only == voters)
    }
}
