//! Rows of the state that were changed and are not on disk yet.
//!
//! Some rows change with every batch, such as the memory of a busy client's last request: they are written once for many
//! changes. The log has what a crash takes of them, so they must be saved before a snapshot lets entries be purged.

use crate::machine::Writes;
use std::collections::BTreeMap;
use symbi_model::state::{Row, Table};

/// After so many entries they are saved, with the chunk that is being applied: a start applies fewer of them again.
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

    /// They are to be saved at once: whoever starts here next must know before it reads the log.
    pub fn hasten(&mut self) {
        self.entries = ENTRIES;
    }

    /// Whether it is time to save them.
    pub fn is_due(&self) -> bool {
        self.entries >= ENTRIES || self.bytes >= BYTES
    }

    /// Writes them; none are left.
    pub fn save(&mut self, writes: &mut Writes<'_>) {
        for ((table, key), value) in std::mem::take(self).rows {
            let key = [&[table as u8], key.as_slice()].concat();
            match value {
                Some(value) => writes.put(&key, value),
                None => writes.delete(&key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, ENTRIES, Unsaved};
    use crate::disk::Keys;
    use crate::machine::Writes;
    use symbi_model::GroupId;
    use symbi_model::state::{Row, Table};
    use symbi_store::{Op, WriteBatch};

    fn row(key: &str, value: Option<&[u8]>) -> Row {
        Row { table: Table::Agents, key: key.into(), value: value.map(<[u8]>::to_vec) }
    }

    #[test]
    fn a_row_is_written_once_as_it_is_in_the_end() {
        let mut unsaved = Unsaved::default();
        unsaved.take(vec![row("a", Some(b"1")), row("b", Some(b"1"))]);
        unsaved.take(vec![row("a", Some(b"2")), row("b", None)]);
        let (keys, mut batch) = (Keys::new(GroupId(0)), WriteBatch::new());
        unsaved.save(&mut Writes::new(&mut batch, &keys, 3, 9));
        let mut wanted = WriteBatch::new();
        wanted.put(keys.row(3, b"\x02a"), "2").delete(keys.row(3, b"\x02b"));
        assert_eq!(batch.ops(), wanted.ops());
        let mut again = WriteBatch::new();
        unsaved.save(&mut Writes::new(&mut again, &keys, 3, 9));
        assert_eq!(again.ops(), [] as [Op; 0], "they are saved");
    }

    #[test]
    fn many_entries_or_many_bytes_are_saved() {
        let mut unsaved = Unsaved::default();
        for _ in 1..ENTRIES {
            unsaved.take(vec![row("a", Some(b"1"))]);
            assert!(!unsaved.is_due());
        }
        unsaved.take(Vec::new());
        assert!(unsaved.is_due());
        unsaved.save(&mut Writes::new(&mut WriteBatch::new(), &Keys::new(GroupId(0)), 0, 0));
        assert!(!unsaved.is_due());
        unsaved.take(vec![row("a", Some(&vec![0; BYTES]))]);
        assert!(unsaved.is_due());
    }
}
