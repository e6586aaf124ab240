//! How much memory, disk and how many threads the engine may take.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel};
use symbi_store::Run;

/// What the engine may take. The defaults keep an idle node small and still take 20 MB/s of writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Keys that are kept apart. What is in a directory once keeps its place: a run that was not there when the rows were written
    /// is refused. Default none.
    pub runs: Vec<Run>,
    /// One memtable's size in bytes. Default 8 MiB.
    pub memtable_bytes: usize,
    /// The size of all memtables together at which one is flushed, in bytes. On a disk that is slower than the writes they grow
    /// on, up to three of `memtable_bytes` for each run and for the rest; then writes wait. Default 24 MiB.
    pub memory_bytes: usize,
    /// The cache of uncompressed blocks, in bytes. Default 8 MiB.
    pub block_cache_bytes: usize,
    /// The write-ahead log's size in bytes at which memtables are flushed so that it can shrink. Default 64 MiB.
    pub wal_bytes: u64,
    /// Threads that flush and compact. Default 2.
    pub background_threads: i32,
    /// Files held open. Default 128.
    pub open_files: i32,
    /// How many bytes of waiting appends go into one write. Default 4 MiB.
    pub group_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            memtable_bytes: 8 << 20,
            memory_bytes: 24 << 20,
            block_cache_bytes: 8 << 20,
            wal_bytes: 64 << 20,
            background_threads: 2,
            open_files: 128,
            group_bytes: 4 << 20,
        }
    }
}

impl Options {
    /// The same in RocksDB's words, with what is not for choosing.
    pub(crate) fn database(&self) -> rocksdb::Options {
        let mut database = rocksdb::Options::default();
        database.create_if_missing(true);
        database.create_missing_column_families(true);
        // The default (point in time) opens after a flipped bit in mid-log with what came before it, and loses synced writes
        // without a word.
        database.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        database.set_paranoid_checks(true);
        database.set_write_buffer_size(self.memtable_bytes);
        database.set_db_write_buffer_size(self.memory_bytes);
        database.set_max_write_buffer_number(3);
        database.set_max_total_wal_size(self.wal_bytes);
        database.set_max_background_jobs(self.background_threads);
        database.set_max_open_files(self.open_files);
        database.set_max_file_opening_threads(self.background_threads);
        // A file that is written behind the scenes goes to the disk bit by bit: a sync of the log would wait for all of it.
        database.set_bytes_per_sync(1 << 20);
        database.set_compression_type(DBCompressionType::Lz4);
        database.set_block_based_table_factory(&self.tables());
        database.set_keep_log_file_num(2);
        database.set_max_log_file_size(1 << 20);
        database.set_log_level(LogLevel::Warn);
        database.set_stats_dump_period_sec(0);
        database.set_stats_persist_period_sec(0);
        database
    }

    fn tables(&self) -> BlockBasedOptions {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(self.block_cache_bytes));
        // Counted within the cache, so that memory stays bounded as the data grows.
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        tables
    }
}
