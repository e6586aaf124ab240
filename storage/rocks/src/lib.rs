//! The storage engine over RocksDB: one database, one write-ahead log, one thread that syncs; a column family for each run of
//! keys that only grows at its end.
//!
//! Appends queue for the writer thread, which puts all that waits into one write, syncs once, and calls every one of them
//! back (group commit). Writes go to the write-ahead log at once and are synced by the next append. No RocksDB type is
//! visible outside.
//!
//! Caveats. Recovery accepts a torn tail of the write-ahead log, the mark of a power cut, and refuses a damaged middle. It
//! cannot see a log that was cut short or deleted whole, nor an emptied directory: whoever promised something with the
//! data keeps a note outside of it. The queue of appends is not bounded here, because waiting would block a
//! thread of the runtime: whoever appends bounds what is on its way.

mod database;
mod engine;
mod error;
mod families;
mod layout;
mod options;
mod writer;

pub use engine::Rocks;
pub use options::Options;
