//! The model's state while it is put together, and its audit chain while it is followed.

use crate::audit::{AuditRow, Chain};
use crate::error::storage;
use crate::machine::{self, Source};
use crate::position::Position;
use std::io;
use symbi_model::State;
use symbi_model::state::{Loader, Table};

/// See the module.
#[derive(Default)]
pub struct Loading {
    /// The rows so far.
    state: Loader,
    /// The chain so far.
    chain: Chain,
}

impl machine::Loading for Loading {
    type Image = State;

    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let (table, key) = key.split_first().ok_or_else(|| broken("a row has no key"))?;
        let table = Table::from_number(*table).ok_or_else(|| broken("a row is of an unknown table"))?;
        self.state.take(table, key, value).map_err(storage)
    }

    fn line(&mut self, index: u64, number: u32, value: &[u8]) -> io::Result<()> {
        let position = Position { index, line: number };
        let row = AuditRow::decode(position, value).map_err(storage)?;
        if row.position() != position || !self.chain.follow(&row) {
            return Err(broken("an audit line does not follow the one before it"));
        }
        Ok(())
    }

    fn finish(self, source: Source) -> io::Result<State> {
        let state = self.state.finish();
        let counters = &state.counters;
        let whole = Chain { head: counters.audit_head, records: counters.audit_records };
        if source == Source::Peer && self.chain != whole {
            return Err(broken("the audit chain does not end as the state says"));
        }
        Ok(state)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
