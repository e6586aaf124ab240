//! The open database as its users share it: the handle that callers hold, and the writer thread.

use crate::error;
use crate::families::{Families, Part};
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions};
use std::sync::OnceLock;
use symbi_store::{Error, Op};

/// The database, and what the handle and the writer thread must agree on.
pub(crate) struct Database {
    /// The database.
    pub(crate) db: DB,
    /// Which keys are in which of its column families.
    pub(crate) families: Families,
    /// The first failure of a write or sync. Nothing is written after it: a later batch must not be there without an earlier one.
    pub(crate) failed: OnceLock<Error>,
}

impl Database {
    /// Writes, unless something has failed before. What is written is durable when the log is synced.
    pub(crate) fn write(&self, group: rocksdb::WriteBatch) -> Result<(), Error> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        self.db.write(group).map_err(|cause| self.fail(&cause))
    }

    /// Syncs the log: everything that was written before this is durable when it returns.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.db.flush_wal(true).map_err(|cause| self.fail(&cause))
    }

    /// Adds operations to a write, in order.
    pub(crate) fn fill(&self, group: &mut rocksdb::WriteBatch, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Put { key, value } => group.put_cf(self.family(self.families.of(key)), key, value),
                Op::Delete { key } => group.delete_cf(self.family(self.families.of(key)), key),
                Op::DeleteRange { from, to } => {
                    for Part { family, keys } in self.families.parts(from, to) {
                        group.delete_range_cf(self.family(family), keys.start, keys.end);
                    }
                }
            }
        }
    }

    pub(crate) fn family(&self, place: usize) -> &ColumnFamily {
        self.db.cf_handle(self.families.names()[place]).expect("opened with the database")
    }

    /// An iterator over the keys of a part, not yet anywhere.
    pub(crate) fn iterator(&self, Part { family, keys }: &Part<'_>) -> DBRawIterator<'_> {
        iterator(&self.db, self.family(*family), keys.start, Some(keys.end))
    }

    fn fail(&self, cause: &rocksdb::Error) -> Error {
        let error = error::of(cause);
        self.failed.get_or_init(|| error).clone()
    }
}

/// An iterator over a family's keys from `from` on, and up to `to` if there is one; not yet anywhere.
pub(crate) fn iterator<'d>(db: &'d DB, family: &ColumnFamily, from: &[u8], to: Option<&[u8]>) -> DBRawIterator<'d> {
    let mut bounds = ReadOptions::default();
    bounds.set_iterate_lower_bound(from);
    if let Some(to) = to {
        bounds.set_iterate_upper_bound(to);
    }
    db.raw_iterator_cf_opt(family, bounds)
}
