//! The model's state while it is put together.

use crate::error::storage;
use crate::machine;
use std::io;
use symbi_model::State;
use symbi_model::state::{Loader, Table};

/// See the module.
#[derive(Default)]
pub struct Loading {
    /// The rows so far.
    state: Loader,
}

impl machine::Loading for Loading {
    type Image = State;

    fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let (table, key) = key.split_first().ok_or_else(|| broken("a row has no key"))?;
        let table = Table::from_number(*table).ok_or_else(|| broken("a row is of an unknown table"))?;
        self.state.take(table, key, value).map_err(storage)
    }

    fn finish(self) -> io::Result<State> {
        Ok(self.state.finish())
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
