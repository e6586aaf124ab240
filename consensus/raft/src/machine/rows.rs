//! The state's rows under a generation.

use crate::disk::keys::Keys;
use crate::error::storage;
use std::io;
use symbi_model::State;
use symbi_model::state::{Row, Table};
use symbi_store::{Engine, WriteBatch};

/// How many rows are read at a time.
const STEP: usize = 1024;

/// Adds a row of the state to `batch`.
pub fn put_row(batch: &mut WriteBatch, keys: &Keys, generation: u64, row: &Row) {
    let key = keys.row(generation, row.table as u8, &row.key);
    match &row.value {
        Some(value) => batch.put(key, value.as_slice()),
        None => batch.delete(key),
    };
}

/// Reads the state's rows of a generation.
pub fn load(engine: &dyn Engine, keys: &Keys, generation: u64) -> io::Result<State> {
    let [(mut from, end), _] = keys.generations(generation, generation + 1);
    let mut rows = Vec::new();
    loop {
        let page = engine.scan(&from, &end, STEP).map_err(storage)?;
        let Some((last, _)) = page.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        for (key, value) in page {
            let (table, key) = keys.split_row(&key).ok_or_else(|| io::Error::other("a row's key is malformed"))?;
            let table = Table::from_number(table).ok_or_else(|| io::Error::other("a row of an unknown table"))?;
            rows.push(Row { table, key: key.to_vec(), value: Some(value) });
        }
    }
    State::load(rows).map_err(storage)
}
