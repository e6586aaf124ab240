//! The replicated state: an image in memory of structurally shared ordered maps, so that a clone is O(1).
//!
//! Beside the tables it keeps what follows from them and would be slow to find out: an index of reservations and ends of
//! dedup rows, and a sum a table for [`State::hash`]. `apply` keeps both up to date; whoever edits the tables by hand (a
//! test) calls [`State::recounted`] afterwards.

mod chain;
mod change;
mod facts;
mod index;
mod key;
mod loader;
mod recent;
mod row;
mod rows;
mod sums;
mod table;
mod take;

pub use chain::{Chain, Ruling};
pub(crate) use change::Change;
pub use facts::{Cluster, Counters};
pub(crate) use key::Key;
pub use loader::Loader;
pub use recent::Recent;
pub use rows::Rows;
pub use table::{Row, Table};

use crate::agent::{Agent, AgentName, Recorded, Resources};
use crate::checkpoint::Checkpoint;
use crate::dedup::{LastWrite, Spent};
use crate::hash::Hash;
use crate::ids::{ApiTokenId, ClientId, NodeId, PolicyNumber, TokenId};
use crate::ledger::Anchored;
use crate::node::{Membership, Node};
use crate::policy::PolicySet;
use crate::token::{ApiToken, JoinToken};
use crate::user::User;
use imbl::OrdMap;
use std::sync::Arc;

/// The table of nodes.
pub type Nodes = OrdMap<NodeId, Node>;

/// Everything the cluster agrees on.
///
/// Invariants (each a predicate in [`crate::invariants`]):
/// - no placement takes a node's reservations or agents above what it offers;
/// - no two placements have one epoch, and none is above the counter;
/// - under one epoch a placement's node stays, and a hold that has ended stays ended;
/// - an agent that is to be removed is there only while its placement is held;
/// - node names are unique among nodes that are not removed;
/// - a join token's uses are never exceeded;
/// - voters are ids that rise, and the chain's frontier is that of a tree of its size;
/// - an API token is of a user that there is; users, and the tokens of each, are bounded;
/// - log time, epochs, record versions, the audit count and what is anchored never fall;
/// - there are at most [`crate::dedup::ROWS`] dedup rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The cluster, once there is one.
    pub cluster: Option<Cluster>,
    /// The small facts that change.
    pub counters: Counters,
    /// The audit chain, as far as it must be known to let it grow and to close it.
    pub chain: Arc<Chain>,
    /// The last checkpoint.
    pub checkpoint: Option<Arc<Checkpoint>>,
    /// The last hop.
    pub hop: Option<Arc<Checkpoint>>,
    /// The checkpoints to be signed that were closed by entries applied to this image: no part of the state.
    pub recent: Recent,
    /// Nodes, removed ones too.
    pub nodes: Nodes,
    /// Agents.
    pub agents: OrdMap<AgentName, Agent>,
    /// Policy sets.
    pub policy_sets: OrdMap<PolicyNumber, PolicySet>,
    /// Join tokens.
    pub join_tokens: OrdMap<TokenId, JoinToken>,
    /// API tokens, by the SHA-256 of their text.
    pub api_tokens: OrdMap<Hash, ApiToken>,
    /// What each client's last write was, and what became of it.
    pub dedup: OrdMap<ClientId, LastWrite>,
    /// The times of the clients of whom a row is gone.
    pub spent: Spent,
    /// How far each node's ledger is anchored.
    pub ledgers: OrdMap<NodeId, Anchored>,
    /// Users, by name.
    pub users: OrdMap<String, User>,
    /// The next gate's table, in builds for tests only: where each row was written.
    #[cfg(planted)]
    pub marks: OrdMap<u8, u64>,
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

    /// How the audit names a spec: its document's hash under the cluster's secret.
    #[must_use]
    pub fn spec_mac(&self, spec: &Recorded) -> Hash {
        let secret = self.cluster.as_ref().map(|cluster| cluster.secret).unwrap_or_default();
        secret.mac(spec.document.as_bytes())
    }

    /// The API token of this id.
    #[must_use]
    pub fn api_token(&self, id: ApiTokenId) -> Option<&ApiToken> {
        let mut first = [0; 32];
        first[..id.0.len()].copy_from_slice(&id.0);
        let (_, token) = self.api_tokens.range::<_, Hash>(Hash(first)..).next()?;
        (ApiTokenId::of(&token.hash) == id).then_some(token)
    }

    /// The API tokens of a user.
    pub fn api_tokens_of(&self, user: &str) -> impl Iterator<Item = &ApiToken> {
        let hashes = self.index.api_tokens.get(user).into_iter().flat_map(|hashes| hashes.iter());
        hashes.filter_map(|hash| self.api_tokens.get(hash))
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
        self.recount_index();
        self.sums = sums::Sums::of(&self.rows());
        self
    }

    /// Makes the index anew.
    fn recount_index(&mut self) {
        self.index = index::Index::of(&self.agents, &self.dedup, &self.api_tokens);
    }

    /// Whether the index is what a count gives.
    pub(crate) fn index_is_exact(&self) -> bool {
        index::Index::of(&self.agents, &self.dedup, &self.api_tokens) == self.index
    }
}
