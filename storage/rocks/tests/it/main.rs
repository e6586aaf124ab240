//! The engine over RocksDB, in real directories.

mod damage;
mod promises;
