//! The replicated state: an image in memory of structurally shared ordered maps, so that a clone is O(1).
//!
//! Beside the tables it keeps what follows from them and would be slow to find out: an index of reservations and ends of
//! dedup rows, and a sum a table for [`State::hash`]. `apply` keeps both up to date; whoever edits the tables by hand (a
//! test) calls [`State::recounted`] afterwards.

mod change;
mod index;
mod row;
mod sums;

pub(crate) use change::Change;
pub(crate) use row::Key;
pub use row::{Row, Table};

use crate::agent::{Agent, AgentName, Resources};
use crate::dedup;
use crate::hash::Hash;
use crate::ids::{ClientId, ClusterId, NodeId, PolicyNumber, TokenId};
use crate::ledger::Anchored;
use crate::node::{Membership, Node};
use crate::policy::PolicySet;
use crate::token::{ApiToken, JoinToken};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

/// The cluster's own facts, fixed by its genesis but for the generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// The domain of its agents' identities.
    pub domain: String,
    /// SHA-256 of the genesis entry's signed bytes and signature.
    pub anchor: Hash,
    /// Which life of the cluster this is: raised by a recovery that gives up a quorum; the top 16 bits of every epoch.
    pub generation: u16,
}

/// The small facts that change: one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The last index applied.
    pub applied_index: u64,
    /// The term of the last entry applied.
    pub applied_term: u64,
    /// Log time, ms since the Unix epoch: the highest batch time so far.
    pub log_time_ms: u64,
    /// The last epoch given, without the generation.
    pub last_epoch: u64,
    /// The current policy set.
    pub policy_set: PolicyNumber,
    /// How many audit records there are.
    pub audit_records: u64,
    /// The hash of the last one.
    pub audit_head: Hash,
}

/// Everything the cluster agrees on.
///
/// Invariants (each a predicate in [`crate::invariants`]):
/// - no placement takes a node's reservations or agents above what it offers;
/// - no two placements have one epoch, and none is above the counter;
/// - under one epoch a placement's node stays, and a hold that has ended stays ended;
/// - an agent that is to be removed is there only while its placement is held;
/// - node names are unique among nodes that are not removed;
/// - a join token's uses are never exceeded;
/// - log time, epochs, record versions, the audit count and what is anchored never fall;
/// - there are at most [`dedup::ROWS`] dedup rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The cluster, once there is one.
    pub cluster: Option<Cluster>,
    /// The small facts that change.
    pub counters: Counters,
    /// Nodes, removed ones too.
    pub nodes: OrdMap<NodeId, Node>,
    /// Agents.
    pub agents: OrdMap<AgentName, Agent>,
    /// Policy sets.
    pub policy_sets: OrdMap<PolicyNumber, PolicySet>,
    /// Join tokens.
    pub join_tokens: OrdMap<TokenId, JoinToken>,
    /// API tokens, by the SHA-256 of their text.
    pub api_tokens: OrdMap<Hash, ApiToken>,
    /// What each client's last write was, and what became of it.
    pub dedup: OrdMap<ClientId, dedup::Row>,
    /// How far each node's ledger is anchored.
    pub ledgers: OrdMap<NodeId, Anchored>,
    /// What follows from the tables, by what is asked for.
    pub(crate) index: index::Index,
    /// What the rows of each table add up to.
    pub(crate) sums: sums::Sums,
}

impl State {
    /// What placements reserve on a node: those it holds. Lost and released ones reserve nothing.
    #[must_use]
    pub fn reserved(&self, node: &NodeId) -> Resources {
        self.index.held.get(node).map(|held| held.reserved).unwrap_or_default()
    }

    /// How many placements a node holds.
    #[must_use]
    pub fn held_count(&self, node: &NodeId) -> usize {
        self.index.held.get(node).map_or(0, |held| held.agents.len())
    }

    /// The agents whose placements a node holds, by name.
    pub fn held_by(&self, node: &NodeId) -> impl Iterator<Item = &AgentName> {
        self.index.held.get(node).into_iter().flat_map(|held| held.agents.iter())
    }

    /// The node of this name; removed ones have none.
    #[must_use]
    pub fn node_by_name(&self, name: &str) -> Option<(NodeId, &Node)> {
        let named = |(_, node): &(&NodeId, &Node)| node.membership != Membership::Removed && node.name == name;
        self.nodes.iter().find(named).map(|(id, node)| (*id, node))
    }

    /// The state hash: SHA-256 over the sums of the tables. Equal on replicas that have applied the same entries; it finds
    /// accidents and is no commitment.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.sums.hash()
    }

    /// The same tables with index and sums made anew: for those who edit the tables by hand.
    #[must_use]
    pub fn recounted(mut self) -> Self {
        self.index = index::Index::of(&self);
        self.sums = sums::Sums::of(&self.rows());
        self
    }

    /// Whether the index is what a count gives.
    pub(crate) fn index_is_exact(&self) -> bool {
        index::Index::of(self) == self.index
    }
}
