//! How the state takes in what commands write.

use super::State;
use super::change::Change;
use super::key::Key;
use crate::agent::{Agent, AgentName};
use crate::dedup::{LastWrite, WINDOW_MS};
use crate::hash::Hash;
use crate::ids::ClientId;
use crate::token::ApiToken;
use std::collections::BTreeSet;
use std::sync::Arc;

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
        for (hash, token) in change.api_tokens {
            self.set_api_token(hash, token);
            touched.insert(Key::ApiToken(hash));
        }
        for (name, user) in change.users {
            match user {
                Some(user) => drop(self.users.insert(name.clone(), user)),
                None => drop(self.users.remove(&name)),
            }
            touched.insert(Key::User(name));
        }
        for (node, anchored) in change.ledgers {
            self.ledgers.insert(node, anchored);
            touched.insert(Key::Ledger(node));
        }
        if let Some(ruling) = change.ruling {
            Arc::make_mut(&mut self.chain).ruling = ruling;
            touched.insert(Key::Chain);
        }
        #[cfg(planted)]
        for (key, index) in change.marks {
            self.marks.insert(key, index);
            touched.insert(Key::Mark(key));
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

    fn set_api_token(&mut self, hash: Hash, token: Option<ApiToken>) {
        if let Some(old) = self.api_tokens.remove(&hash) {
            self.index.remove_api_token(&old);
        }
        if let Some(token) = token {
            self.index.add_api_token(&token);
            self.api_tokens.insert(hash, token);
        }
    }

    fn forget_agent(&mut self, name: &AgentName) {
        if let Some(old) = self.agents.get(name) {
            self.index.remove_agent(old);
        }
    }

    /// Sets a client's row.
    pub(crate) fn put_dedup(&mut self, client: ClientId, last: LastWrite, touched: &mut BTreeSet<Key>) {
        if let Some(old) = self.dedup.get(&client) {
            self.index.remove_dedup(client, old);
        }
        self.index.add_dedup(client, &last);
        self.dedup.insert(client, last);
        touched.insert(Key::Dedup(client));
    }

    /// Deletes the dedup rows that have ended at the time of an entry, and takes note of their clients' times.
    pub(crate) fn expire_dedup(&mut self, entry_ms: u64, touched: &mut BTreeSet<Key>) {
        while let Some(&(ends_ms, client)) = self.index.dedup_ends.get_min() {
            if ends_ms >= entry_ms {
                return;
            }
            self.forget_dedup(client, touched);
        }
    }

    /// Deletes the dedup rows that a clock which was fast has left behind: they would not end for long.
    pub(crate) fn drop_left_behind(&mut self, entry_ms: u64, touched: &mut BTreeSet<Key>) {
        while let Some(&(ends_ms, client)) = self.index.dedup_ends.get_max() {
            // No row that is written at this time ends later.
            if ends_ms <= entry_ms.saturating_add(2 * WINDOW_MS) {
                return;
            }
            self.forget_dedup(client, touched);
        }
    }

    fn forget_dedup(&mut self, client: ClientId, touched: &mut BTreeSet<Key>) {
        if let Some(last) = self.dedup.remove(&client) {
            self.index.remove_dedup(client, &last);
        }
        self.spent.add(client.time_ms());
        touched.insert(Key::Dedup(client));
        touched.insert(Key::Spent);
    }
}
