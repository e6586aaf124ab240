//! The state as rows of bytes: what is kept on disk, sent in a snapshot, and summed into the state hash. Values are what
//! [`crate::codec`] makes of the table's type; keys are in [`super::key`].

use super::State;
use super::chain::Chain;
use super::facts::Counters;
use super::key::Key;
use super::loader::Loader;
use super::table::{Row, Table};
use crate::codec::{self, Error};
use crate::dedup::Spent;
use std::collections::BTreeSet;

impl Key {
    pub(super) fn value(&self, state: &State) -> Option<Vec<u8>> {
        match self {
            Self::Cluster => state.cluster.as_ref().map(codec::encode_row),
            // No row before the first entry, so that a state of nothing and no rows are the same.
            Self::Counters => (state.counters != Counters::default()).then(|| codec::encode_row(&state.counters)),
            Self::Chain => (*state.chain != Chain::default()).then(|| codec::encode_row(&*state.chain)),
            Self::Checkpoint => state.checkpoint.as_deref().map(codec::encode_row),
            Self::Hop => state.hop.as_deref().map(codec::encode_row),
            Self::Spent => (state.spent != Spent::default()).then(|| codec::encode_row(&state.spent)),
            Self::Node(node) => state.nodes.get(node).map(codec::encode_row),
            Self::Agent(name) => state.agents.get(name).map(codec::encode_row),
            Self::PolicySet(number) => state.policy_sets.get(number).map(codec::encode_row),
            Self::JoinToken(token) => state.join_tokens.get(token).map(codec::encode_row),
            Self::ApiToken(hash) => state.api_tokens.get(hash).map(codec::encode_row),
            Self::Dedup(client) => state.dedup.get(client).map(codec::encode_row),
            Self::Ledger(node) => state.ledgers.get(node).map(codec::encode_row),
            Self::User(name) => state.users.get(name).map(codec::encode_row),
            #[cfg(planted)]
            Self::Mark(key) => state.marks.get(key).map(codec::encode_row),
        }
    }
}

impl State {
    /// Where the row of the counters is, and in it the gate that is open: the one row that is wanted without the others.
    #[must_use]
    pub fn counters_key() -> (Table, Vec<u8>) {
        (Key::Counters.table(), Key::Counters.bytes())
    }

    /// Every row there is, table by table, each by key.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.clone().into_rows().collect()
    }

    /// The state that these rows, in any order, make up.
    ///
    /// # Errors
    /// When a row cannot be read, or its key is not one of its table.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, Error> {
        let mut loader = Loader::default();
        for row in rows {
            let Some(value) = &row.value else { continue };
            loader.take(row.table, &row.key, value)?;
        }
        Ok(loader.finish())
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
