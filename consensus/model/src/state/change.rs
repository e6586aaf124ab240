//! What one command would write: whole new values of the rows it changes, beside the state and not yet in it, so that
//! invariants are checked first and a breach costs nothing.

use super::chain::Ruling;
use super::facts::{Cluster, Counters};
use crate::agent::{Agent, AgentName};
use crate::hash::Hash;
use crate::ids::{NodeId, TokenId};
use crate::ledger::Anchored;
use crate::node::Node;
use crate::policy::PolicySet;
use crate::token::{ApiToken, JoinToken};
use crate::user::User;

/// See the module. Each row is there at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The cluster, when it is made.
    pub(crate) cluster: Option<Cluster>,
    /// The counters, changed or not.
    pub(crate) counters: Counters,
    /// Nodes; none is ever deleted.
    pub(crate) nodes: Vec<(NodeId, Node)>,
    /// Agents; none for a record that goes.
    pub(crate) agents: Vec<(AgentName, Option<Agent>)>,
    /// Policy sets, by their number.
    pub(crate) policy_sets: Vec<PolicySet>,
    /// Join tokens.
    pub(crate) join_tokens: Vec<(TokenId, JoinToken)>,
    /// API tokens; none for one that goes.
    pub(crate) api_tokens: Vec<(Hash, Option<ApiToken>)>,
    /// Users; none for one who goes.
    pub(crate) users: Vec<(String, Option<User>)>,
    /// How far nodes' ledgers are anchored.
    pub(crate) ledgers: Vec<(NodeId, Anchored)>,
    /// Who rules and who is to follow, if that changes.
    pub(crate) ruling: Option<Ruling>,
    /// Rows of the next gate's table.
    #[cfg(planted)]
    pub(crate) marks: Vec<(u8, u64)>,
}

impl Change {
    /// A change of nothing, where the counters are these.
    pub(crate) fn none(counters: &Counters) -> Self {
        Self { counters: counters.clone(), ..Self::default() }
    }

    /// Writes an agent's record.
    pub(crate) fn put_agent(&mut self, agent: Agent) {
        self.agents.push((agent.spec.name.clone(), Some(agent)));
    }

    /// Deletes an agent's record.
    pub(crate) fn delete_agent(&mut self, name: AgentName) {
        self.agents.push((name, None));
    }
}
