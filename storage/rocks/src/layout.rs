//! Whether a database is one that this version reads: of its layout, which a file beside RocksDB's own says, and with its rows in
//! the column families in which they are looked for; in another they would not be found.
//!
//! It is asked before the database is opened for writing. That makes the families that are missing, and whatever wrote the rows
//! would not open it any more.

use crate::database::iterator;
use crate::error;
use crate::families::Families;
use rocksdb::{DB, Options};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use symbi_store::Error;

/// The layout's number: raised by a version that keeps rows that the one before it cannot read, or the other way round. 1 was that
/// of 0.1, which wrote no file; 2 is that of 0.2.
const LAYOUT: u32 = 2;
/// The file that says it.
const FILE: &str = "SYMBI-LAYOUT";

/// Refuses a database of another layout. One that is to be made says its own first, synced, so that no database is without.
///
/// # Errors
/// [`Error::Version`], [`Error::Io`].
pub(crate) fn claim(path: &Path) -> Result<(), Error> {
    let file = path.join(FILE);
    let found = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Error::Io(format!("{}: {error}", file.display()))),
    };
    match found {
        Some(text) if text.trim() == LAYOUT.to_string() => Ok(()),
        Some(text) => Err(other(&format!("layout {:?}", text.trim()))),
        None if path.join("CURRENT").exists() => Err(other("layout 1, that of version 0.1")),
        None => make(path, &file).map_err(|error| Error::Io(format!("{}: {error}", file.display()))),
    }
}

fn other(found: &str) -> Error {
    Error::Version(format!("its files are of {found}, and this program keeps layout {LAYOUT}"))
}

fn make(path: &Path, file: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let temporary = file.with_extension("new");
    let mut made = File::create(&temporary)?;
    made.write_all(format!("{LAYOUT}\n").as_bytes())?;
    made.sync_all()?;
    fs::rename(&temporary, file)?;
    File::open(path)?.sync_all()
}

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
