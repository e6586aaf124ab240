//! The state as rows of bytes: what is kept on disk, sent in a snapshot, and summed into the state hash. Values are what
//! [`crate::codec`] makes of the table's type; keys are in [`super::key`].

use super::State;
use super::facts::Counters;
use super::key::{CLUSTER, COUNTERS, Key};
use super::table::{Row, Table};
use crate::codec::{self, Error};
use crate::hash::Hash;
use crate::ids::{ClientId, NodeId, PolicyNumber, TokenId};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The longest value of a row.
const VALUE_MAX: usize = 4 * 1024 * 1024;

impl Key {
    fn value(&self, state: &State) -> Option<Vec<u8>> {
        match self {
            Self::Cluster => state.cluster.as_ref().map(codec::encode),
            // No row before the first entry, so that a state of nothing and no rows are the same.
            Self::Counters => (state.counters != Counters::default()).then(|| codec::encode(&state.counters)),
            Self::Node(node) => state.nodes.get(node).map(codec::encode),
            Self::Agent(name) => state.agents.get(name).map(codec::encode),
            Self::PolicySet(number) => state.policy_sets.get(number).map(codec::encode),
            Self::JoinToken(token) => state.join_tokens.get(token).map(codec::encode),
            Self::ApiToken(hash) => state.api_tokens.get(hash).map(codec::encode),
            Self::Dedup(client) => state.dedup.get(client).map(codec::encode),
            Self::Ledger(node) => state.ledgers.get(node).map(codec::encode),
        }
    }
}

impl State {
    /// Every row there is, table by table, each by key.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut keys = vec![Key::Cluster, Key::Counters];
        keys.extend(self.nodes.keys().map(|node| Key::Node(*node)));
        keys.extend(self.agents.keys().map(|name| Key::Agent(name.clone())));
        keys.extend(self.policy_sets.keys().map(|number| Key::PolicySet(*number)));
        keys.extend(self.join_tokens.keys().map(|token| Key::JoinToken(*token)));
        keys.extend(self.api_tokens.keys().map(|hash| Key::ApiToken(*hash)));
        keys.extend(self.dedup.keys().map(|client| Key::Dedup(*client)));
        keys.extend(self.ledgers.keys().map(|node| Key::Ledger(*node)));
        keys.retain(|key| !matches!(key, Key::Cluster | Key::Counters) || key.value(self).is_some());
        keys.iter().map(|key| Row { table: key.table(), key: key.bytes(), value: key.value(self) }).collect()
    }

    /// The state that these rows, in any order, make up.
    ///
    /// # Errors
    /// When a row cannot be read, or its key is not one of its table.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, Error> {
        let mut state = Self::default();
        for row in rows {
            let Some(value) = &row.value else { continue };
            state.take_row(row.table, &row.key, value)?;
            state.sums.add(row.table, &row.key, value);
        }
        state.recount_index();
        Ok(state)
    }

    fn take_row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match table {
            Table::Meta if key == CLUSTER => self.cluster = Some(read(value)?),
            Table::Meta if key == COUNTERS => self.counters = read(value)?,
            Table::Meta => return Err(Error::Key { table: table as u8 }),
            Table::Nodes => {
                self.nodes.insert(NodeId(fixed(table, key)?), read(value)?);
            }
            Table::Agents => {
                let agent: crate::agent::Agent = read(value)?;
                if agent.spec.name.as_str().as_bytes() != key {
                    return Err(Error::Key { table: table as u8 });
                }
                self.agents.insert(agent.spec.name.clone(), agent);
            }
            Table::PolicySets => {
                self.policy_sets.insert(PolicyNumber(u64::from_be_bytes(fixed(table, key)?)), read(value)?);
            }
            Table::JoinTokens => {
                self.join_tokens.insert(TokenId(fixed(table, key)?), read(value)?);
            }
            Table::ApiTokens => {
                self.api_tokens.insert(Hash(fixed(table, key)?), read(value)?);
            }
            Table::Dedup => {
                self.dedup.insert(ClientId(Uuid::from_bytes(fixed(table, key)?)), read(value)?);
            }
            Table::Ledgers => {
                self.ledgers.insert(NodeId(fixed(table, key)?), read(value)?);
            }
        }
        Ok(())
    }

    /// Brings the sums up to date after `touched` may have changed since `before`, and gives the rows that did.
    pub(crate) fn settle(&mut self, before: &Self, touched: BTreeSet<Key>) -> Vec<Row> {
        let mut rows = Vec::with_capacity(touched.len());
        for key in touched {
            let (old, new) = (key.value(before), key.value(self));
            if old == new {
                continue;
            }
            let (table, bytes) = (key.table(), key.bytes());
            if let Some(old) = &old {
                self.sums.subtract(table, &bytes, old);
            }
            if let Some(new) = &new {
                self.sums.add(table, &bytes, new);
            }
            rows.push(Row { table, key: bytes, value: new });
        }
        rows
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    codec::decode(value, VALUE_MAX)
}

fn fixed<const N: usize>(table: Table, key: &[u8]) -> Result<[u8; N], Error> {
    key.try_into().map_err(|_| Error::Key { table: table as u8 })
}
