//! A snapshot that is being received: its frames go to disk under a generation of their own and are checked as they come.

use super::frames::{Frame, Header};
use super::rows::put_row;
use super::{Generation, Image};
use crate::audit::{AuditRow, Chain};
use crate::error::storage;
use crate::position::Position;
use std::io;
use std::sync::Arc;
use symbi_model::State;
use symbi_model::state::{Row, Table};
use symbi_store::WriteBatch;

/// A snapshot on its way in. Dropped before it is installed, its rows are deleted.
pub struct Filling {
    /// Where it goes.
    generation: Arc<Generation>,
    /// What it must come to.
    header: Header,
    /// The rows so far.
    rows: Vec<Row>,
    /// The audit chain so far.
    chain: Chain,
}

impl Filling {
    /// Nothing yet.
    pub fn new(generation: Arc<Generation>, header: Header) -> Self {
        Self { generation, header, rows: Vec::new(), chain: Chain::default() }
    }

    /// Takes the next frame.
    pub fn take(&mut self, frame: Frame) -> io::Result<()> {
        let mut batch = WriteBatch::new();
        match frame {
            Frame::Rows(rows) => self.take_rows(rows, &mut batch)?,
            Frame::Audit(lines) => self.take_audit(lines, &mut batch)?,
        }
        self.generation.engine()?.write(batch).map_err(storage)
    }

    /// The snapshot, if it is what its header says.
    pub fn finish(self, last: u64) -> io::Result<Image> {
        let state = State::load(self.rows).map_err(storage)?;
        let chain = Chain { head: self.header.head, records: self.header.records };
        if state.hash() != self.header.root {
            return Err(broken("the state's hash is not its header's"));
        }
        if self.chain != chain || state.counters.audit_head != chain.head {
            return Err(broken("the audit chain does not end as its header says"));
        }
        Ok(Image { state, last, generation: self.generation })
    }

    fn take_rows(&mut self, rows: Vec<(u8, Vec<u8>, Vec<u8>)>, batch: &mut WriteBatch) -> io::Result<()> {
        for (table, key, value) in rows {
            let table = Table::from_number(table).ok_or_else(|| broken("a row is of an unknown table"))?;
            let row = Row { table, key, value: Some(value) };
            put_row(batch, self.generation.keys(), self.generation.number(), &row);
            self.rows.push(row);
        }
        Ok(())
    }

    fn take_audit(&mut self, lines: Vec<(u64, u32, Vec<u8>)>, batch: &mut WriteBatch) -> io::Result<()> {
        for (index, line, value) in lines {
            let position = Position { index, line };
            let row = AuditRow::decode(position, &value).map_err(storage)?;
            if row.position() != position || !self.chain.follow(&row) {
                return Err(broken("an audit line does not follow the one before it"));
            }
            batch.put(self.generation.keys().audit(self.generation.number(), index, line), value);
        }
        Ok(())
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a received snapshot is broken: {what}"))
}
