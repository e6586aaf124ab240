//! Whether a database's rows are in the column families in which they are looked for: in another they would not be found.
//!
//! It is asked before the database is opened for writing. That makes the families that are missing, and whatever wrote the rows
//! would not open it any more.

use crate::database::iterator;
use crate::error;
use crate::families::Families;
use rocksdb::{DB, Options};
use std::path::Path;
use symbi_store::Error;

/// Refuses a database with families of other names than these, or that keeps rows of one that is missing elsewhere.
///
/// # Errors
/// [`Error::Version`]; and what an opening can meet.
pub(crate) fn check(path: &Path, families: &Families, database: &Options) -> Result<(), Error> {
    let met = |cause| error::opening(path, &cause);
    if !path.join("CURRENT").exists() {
        // There is none yet.
        return Ok(());
    }
    let there = DB::list_cf(database, path).map_err(met)?;
    if let Some(unknown) = there.iter().find(|name| !families.names().contains(&name.as_str())) {
        return Err(Error::Version(format!("it keeps {unknown} apart")));
    }
    if there.len() == families.names().len() {
        return Ok(());
    }
    let db = DB::open_cf_for_read_only(database, path, &there, false).map_err(met)?;
    places(&db, families)
}

/// Refuses an open database with rows in another family than theirs.
///
/// # Errors
/// [`Error::Version`]; and what a read can meet.
pub(crate) fn places(db: &DB, families: &Families) -> Result<(), Error> {
    for name in families.names() {
        let Some(family) = db.cf_handle(name) else { continue };
        for (section, keys) in families.elsewhere(name) {
            let mut iterator = iterator(db, family, keys.start, keys.end);
            iterator.seek_to_first();
            if iterator.valid() {
                return Err(Error::Version(format!("it keeps rows of {section} in {name}")));
            }
            iterator.status().map_err(|cause| error::of(&cause))?;
        }
    }
    Ok(())
}
