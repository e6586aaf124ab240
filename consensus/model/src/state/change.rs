//! What one command would write: whole new values of the rows it changes, beside the state and not yet in it, so that
//! invariants are checked first and a breach costs nothing.

use super::{Cluster, Counters, Key, State};
use crate::agent::{Agent, AgentName};
use crate::dedup;
use crate::ids::{ClientId, NodeId, TokenId};
use crate::ledger::Anchored;
use crate::node::Node;
use crate::policy::PolicySet;
use crate::token::{ApiToken, JoinToken};
use std::collections::BTreeSet;

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
    /// API tokens, by their hash.
    pub(crate) api_tokens: Vec<ApiToken>,
    /// How far nodes' ledgers are anchored.
    pub(crate) ledgers: Vec<(NodeId, Anchored)>,
}

impl Change {
    /// A change of nothing.
    pub(crate) fn none(state: &State) -> Self {
        Self { counters: state.counters.clone(), ..Self::default() }
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

impl State {
    /// Takes a change in, and adds the keys it wrote to `touched`.
    pub(crate) fn take(&mut self, change: Change, touched: &mut BTreeSet<Key>) {
        if let Some(cluster) = change.cluster {
            self.cluster = Some(cluster);
            touched.insert(Key::Cluster);
        }
        if self.counters != change.counters {
            self.counters = change.counters;
            touched.insert(Key::Counters);
        }
        for (id, node) in change.nodes {
            self.nodes.insert(id, node);
            touched.insert(Key::Node(id));
        }
        for (name, agent) in change.agents {
            self.set_agent(&name, agent);
            touched.insert(Key::Agent(name));
        }
        for set in change.policy_sets {
            touched.insert(Key::PolicySet(set.number));
            self.policy_sets.insert(set.number, set);
        }
        for (id, token) in change.join_tokens {
            self.join_tokens.insert(id, token);
            touched.insert(Key::JoinToken(id));
        }
        for token in change.api_tokens {
            touched.insert(Key::ApiToken(token.hash));
            self.api_tokens.insert(token.hash, token);
        }
        for (node, anchored) in change.ledgers {
            self.ledgers.insert(node, anchored);
            touched.insert(Key::Ledger(node));
        }
    }

    fn set_agent(&mut self, name: &AgentName, agent: Option<Agent>) {
        self.forget_agent(name);
        match agent {
            Some(agent) => {
                self.index.add_agent(&agent);
                self.agents.insert(name.clone(), agent);
            }
            None => {
                self.agents.remove(name);
            }
        }
    }

    fn forget_agent(&mut self, name: &AgentName) {
        if let Some(old) = self.agents.get(name) {
            self.index.remove_agent(old);
        }
    }

    /// Sets a client's row.
    pub(crate) fn put_dedup(&mut self, client: ClientId, row: dedup::Row, touched: &mut BTreeSet<Key>) {
        if let Some(old) = self.dedup.get(&client) {
            self.index.remove_dedup(client, old);
        }
        self.index.add_dedup(client, &row);
        self.dedup.insert(client, row);
        touched.insert(Key::Dedup(client));
    }

    /// Deletes the rows that have ended at the state's log time.
    pub(crate) fn expire_dedup(&mut self, touched: &mut BTreeSet<Key>) {
        while let Some(&(ends_ms, client)) = self.index.dedup_ends.get_min() {
            if ends_ms >= self.counters.log_time_ms {
                return;
            }
            self.index.dedup_ends.remove_min();
            self.dedup.remove(&client);
            touched.insert(Key::Dedup(client));
        }
    }
}
