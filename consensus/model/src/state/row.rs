//! The state as rows of bytes: what is kept on disk, sent in a snapshot, and summed into the state hash.
//!
//! Key bytes, by table: `Meta` the texts `cluster` and `counters`; `Nodes` the id's 32 bytes; `Agents` the name;
//! `PolicySets` the number as eight big-endian bytes; `JoinTokens` the id's 6 bytes; `ApiTokens` the token's SHA-256;
//! `Dedup` the client's 16 bytes; `Ledgers` the node's 32 bytes. Values are what [`crate::codec`] makes of the table's type.

use super::{Counters, State, index};
use crate::agent::AgentName;
use crate::codec::{self, Error};
use crate::hash::Hash;
use crate::ids::{ClientId, NodeId, PolicyNumber, TokenId};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The longest value of a row.
const VALUE_MAX: usize = 4 * 1024 * 1024;
const CLUSTER: &[u8] = b"cluster";
const COUNTERS: &[u8] = b"counters";

/// A table of the state. The numbers are the disk format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// The cluster's facts and the counters.
    Meta = 0,
    /// Nodes.
    Nodes = 1,
    /// Agents.
    Agents = 2,
    /// Policy sets.
    PolicySets = 3,
    /// Join tokens.
    JoinTokens = 4,
    /// API tokens.
    ApiTokens = 5,
    /// The memory of requests.
    Dedup = 6,
    /// How far the nodes' ledgers are anchored.
    Ledgers = 7,
}

impl Table {
    /// Every table, by number.
    pub const ALL: [Self; 8] = [
        Self::Meta,
        Self::Nodes,
        Self::Agents,
        Self::PolicySets,
        Self::JoinTokens,
        Self::ApiTokens,
        Self::Dedup,
        Self::Ledgers,
    ];

    /// The table of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One row, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its table.
    pub table: Table,
    /// Its key within the table.
    pub key: Vec<u8>,
    /// Its value; none when the row was deleted.
    pub value: Option<Vec<u8>>,
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The cluster's facts.
    Cluster,
    /// The counters.
    Counters,
    /// A node.
    Node(NodeId),
    /// An agent.
    Agent(AgentName),
    /// A policy set.
    PolicySet(PolicyNumber),
    /// A join token.
    JoinToken(TokenId),
    /// An API token.
    ApiToken(Hash),
    /// A client's last request.
    Dedup(ClientId),
    /// How far a node's ledger is anchored.
    Ledger(NodeId),
}

impl Key {
    fn table(&self) -> Table {
        match self {
            Self::Cluster | Self::Counters => Table::Meta,
            Self::Node(_) => Table::Nodes,
            Self::Agent(_) => Table::Agents,
            Self::PolicySet(_) => Table::PolicySets,
            Self::JoinToken(_) => Table::JoinTokens,
            Self::ApiToken(_) => Table::ApiTokens,
            Self::Dedup(_) => Table::Dedup,
            Self::Ledger(_) => Table::Ledgers,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Cluster => CLUSTER.to_vec(),
            Self::Counters => COUNTERS.to_vec(),
            Self::Node(node) | Self::Ledger(node) => node.0.to_vec(),
            Self::Agent(name) => name.as_str().as_bytes().to_vec(),
            Self::PolicySet(number) => number.0.to_be_bytes().to_vec(),
            Self::JoinToken(token) => token.0.to_vec(),
            Self::ApiToken(hash) => hash.0.to_vec(),
            Self::Dedup(client) => client.0.as_bytes().to_vec(),
        }
    }

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
        state.index = index::Index::of(&state);
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
