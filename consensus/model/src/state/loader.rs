//! A state while it is put together from its rows, in whatever order they come.

use super::State;
use super::key::{CHAIN, CHECKPOINT, CLUSTER, COUNTERS, HOP, SPENT};
use super::table::Table;
use crate::codec::rows::Row;
use crate::codec::{self, Error};
use crate::hash::Hash;
use crate::ids::{ClientId, NodeId, PolicyNumber, TokenId};
use std::sync::Arc;
use uuid::Uuid;

/// The longest value of a row.
const VALUE_MAX: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub struct Loader {
    /// The tables and their sums so far; there is no index yet.
    state: State,
}

impl Loader {
    /// Takes the next row.
    ///
    /// # Errors
    /// When it cannot be read, or its key is not one of its table.
    pub fn take(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.state.take_row(table, key, value)?;
        self.state.sums.add(table, key, value);
        Ok(())
    }

    /// The state.
    #[must_use]
    pub fn finish(self) -> State {
        let mut state = self.state;
        state.recount_index();
        state
    }
}

impl State {
    fn take_row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match table {
            Table::Meta if key == CLUSTER => self.cluster = Some(read(value)?),
            Table::Meta if key == COUNTERS => self.counters = read(value)?,
            Table::Meta if key == CHAIN => self.chain = Arc::new(read(value)?),
            Table::Meta if key == CHECKPOINT => self.checkpoint = Some(Arc::new(read(value)?)),
            Table::Meta if key == HOP => self.hop = Some(Arc::new(read(value)?)),
            Table::Meta if key == SPENT => self.spent = read(value)?,
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
            Table::Users => {
                let name = String::from_utf8(key.to_vec()).map_err(|_| Error::Key { table: table as u8 })?;
                self.users.insert(name, read(value)?);
            }
            #[cfg(planted)]
            Table::Marks => {
                self.marks.insert(u8::from_be_bytes(fixed(table, key)?), read(value)?);
            }
        }
        Ok(())
    }
}

fn read<T: Row>(value: &[u8]) -> Result<T, Error> {
    codec::decode_row(value, VALUE_MAX)
}

fn fixed<const N: usize>(table: Table, key: &[u8]) -> Result<[u8; N], Error> {
    key.try_into().map_err(|_| Error::Key { table: table as u8 })
}
