//! Reads a generation's rows from the disk.

use super::Loading;
use crate::disk::keys::Keys;
use crate::error::storage;
use std::io;
use symbi_store::Engine;

/// How many rows are read at a time.
const STEP: usize = 1024;

/// The state whose rows are on disk under a generation.
pub fn load<L: Loading>(engine: &dyn Engine, keys: &Keys, generation: u64) -> io::Result<L::Image> {
    let (mut from, end) = keys.generations(generation, generation + 1);
    let mut loading = L::default();
    loop {
        let page = engine.scan(&from, &end, STEP).map_err(storage)?;
        let Some((last, _)) = page.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        for (key, value) in page {
            let key = keys.row_key(&key).ok_or_else(|| io::Error::other("a row's key is malformed"))?;
            loading.row(key, &value)?;
        }
    }
    loading.finish()
}
