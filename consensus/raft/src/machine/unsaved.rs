//! Rows of the state that were changed and are not on disk yet.
//!
//! Some rows change with every batch, such as the memory of a busy client's last request: they are written once for many
//! changes. The log has what a crash takes of them, so they must be saved before a snapshot lets entries be purged.

use super::put_row;
use crate::disk::Keys;
use std::collections::BTreeMap;
use symbi_model::state::{Row, Table};
use symbi_store::Batch;

/// So many entries are applied between two saves, at most: a start applies no more of them again.
const ENTRIES: usize = 64;
/// With so many bytes of rows they are saved earlier.
const BYTES: usize = 1024 * 1024;

/// See the module.
#[derive(Default)]
pub struct Unsaved {
    /// What each row is now.
    rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// How many entries were applied since the last save.
    entries: usize,
    /// The bytes of the values that were taken in since then, those included that others have replaced.
    bytes: usize,
}

impl Unsaved {
    /// Takes in what an entry has changed.
    pub fn take(&mut self, rows: Vec<Row>) {
        self.entries += 1;
        for Row { table, key, value } in rows {
            self.bytes += value.as_ref().map_or(0, Vec::len);
            self.rows.insert((table, key), value);
        }
    }

    /// Whether it is time to save them.
    pub fn is_due(&self) -> bool {
        self.entries >= ENTRIES || self.bytes >= BYTES
    }

    /// Adds them to a write of a generation; none are left.
    pub fn save(&mut self, batch: &mut Batch, keys: &Keys, generation: u64) {
        for ((table, key), value) in std::mem::take(self).rows {
            put_row(batch, keys, generation, &Row { table, key, value });
        }
    }
}
