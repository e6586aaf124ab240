//! The rows of a state, made as they are asked for, so that a state of a million agents is not there twice while it is sent.

use super::State;
use super::key::Key;
use super::table::{Row, Table};
use imbl::OrdMap;
use std::ops::Bound;

/// Every row of a state, table by table, each by key.
#[derive(Debug)]
pub struct Rows {
    /// The state.
    state: State,
    /// What the last row was about.
    last: Option<Key>,
}

impl State {
    /// Every row there is, table by table, each by key.
    #[must_use]
    pub fn into_rows(self) -> Rows {
        Rows { state: self, last: None }
    }

    /// What the next row is about. Each of the first table's few is always looked at, maybe without a value.
    fn key_after(&self, last: &Key) -> Option<Key> {
        let same = match last {
            Key::Chain => Some(Key::Checkpoint),
            Key::Checkpoint => Some(Key::Cluster),
            Key::Cluster => Some(Key::Counters),
            Key::Counters => Some(Key::Hop),
            Key::Hop => Some(Key::Spent),
            Key::Spent => None,
            Key::Node(id) => after(&self.nodes, id).map(Key::Node),
            Key::Agent(name) => after(&self.agents, name).map(Key::Agent),
            Key::PolicySet(number) => after(&self.policy_sets, number).map(Key::PolicySet),
            Key::JoinToken(id) => after(&self.join_tokens, id).map(Key::JoinToken),
            Key::ApiToken(hash) => after(&self.api_tokens, hash).map(Key::ApiToken),
            Key::Dedup(client) => after(&self.dedup, client).map(Key::Dedup),
            Key::Ledger(node) => after(&self.ledgers, node).map(Key::Ledger),
            Key::User(name) => after(&self.users, name).map(Key::User),
            #[cfg(planted)]
            Key::Mark(key) => after(&self.marks, key).map(Key::Mark),
        };
        let behind = || Table::ALL.iter().filter(|table| **table > last.table());
        same.or_else(|| behind().find_map(|table| self.first_key(*table)))
    }

    fn first_key(&self, table: Table) -> Option<Key> {
        match table {
            Table::Meta => Some(Key::Chain),
            Table::Nodes => self.nodes.get_min().map(|(id, _)| Key::Node(*id)),
            Table::Agents => self.agents.get_min().map(|(name, _)| Key::Agent(name.clone())),
            Table::PolicySets => self.policy_sets.get_min().map(|(number, _)| Key::PolicySet(*number)),
            Table::JoinTokens => self.join_tokens.get_min().map(|(id, _)| Key::JoinToken(*id)),
            Table::ApiTokens => self.api_tokens.get_min().map(|(hash, _)| Key::ApiToken(*hash)),
            Table::Dedup => self.dedup.get_min().map(|(client, _)| Key::Dedup(*client)),
            Table::Ledgers => self.ledgers.get_min().map(|(node, _)| Key::Ledger(*node)),
            Table::Users => self.users.get_min().map(|(name, _)| Key::User(name.clone())),
            #[cfg(planted)]
            Table::Marks => self.marks.get_min().map(|(key, _)| Key::Mark(*key)),
        }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            let key = match &self.last {
                None => Key::Chain,
                Some(last) => self.state.key_after(last)?,
            };
            let value = key.value(&self.state);
            let row = Row { table: key.table(), key: key.bytes(), value };
            self.last = Some(key);
            if row.value.is_some() {
                return Some(row);
            }
        }
    }
}

/// The first key above `key`.
fn after<K: Ord + Clone, V>(map: &OrdMap<K, V>, key: &K) -> Option<K> {
    let behind = (Bound::Excluded(key), Bound::Unbounded);
    map.range::<_, K>(behind).next().map(|(key, _)| key.clone())
}
