//! The audit chain, as far as the state must know it to let it grow and to close it with a checkpoint: one row.

use crate::ids::NodeId;
use crate::merkle::Frontier;
use serde::{Deserialize, Serialize};

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
