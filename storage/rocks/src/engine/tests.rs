//! What can be seen only from inside: that RocksDB really syncs before a callback, and once for a group.

use super::Rocks;
use crate::options::Options;
use rocksdb::statistics::Ticker;
use std::sync::Arc;
use std::sync::mpsc;
use symbi_store::{Engine, Error, WriteBatch};

fn open(directory: &std::path::Path) -> (Rocks, Arc<rocksdb::Options>) {
    let options = Options::default();
    let mut database = options.database();
    database.enable_statistics();
    (Rocks::open_with(directory, &options, &database).expect("open"), Arc::new(database))
}

fn put(number: u32) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(number.to_be_bytes(), "x");
    batch
}

/// A copy of the files cannot show whether they would survive a power cut. RocksDB counts its syncs of the log once they
/// have succeeded, so this can.
#[test]
fn each_append_is_synced_before_it_is_called_back_and_a_write_is_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let (engine, database) = open(directory.path());
    for number in 0..20 {
        let before = database.get_ticker_count(Ticker::WalFileSynced);
        engine.write(put(1000 + number)).expect("write");
        assert_eq!(database.get_ticker_count(Ticker::WalFileSynced), before, "a write must not wait for the disk");
        let (sender, receiver) = mpsc::channel();
        let counts = Arc::clone(&database);
        let on_durable = Box::new(move |result: Result<(), Error>| {
            sender.send((result, counts.get_ticker_count(Ticker::WalFileSynced))).expect("the test waits");
        });
        engine.append(put(number), on_durable);
        let (result, after) = receiver.recv().expect("called back");
        assert_eq!((result, after), (Ok(()), before + 1));
    }
}

#[test]
fn appends_that_wait_together_share_one_sync() {
    const APPENDS: u32 = 500;
    let directory = tempfile::tempdir().expect("a directory");
    let (engine, database) = open(directory.path());
    let (done, all_done) = mpsc::channel();
    // The first callback holds the writer thread until all the others are queued.
    let (release, held) = mpsc::channel::<()>();
    engine.append(put(0), Box::new(move |_| held.recv().expect("released")));
    for number in 1..APPENDS {
        let done = done.clone();
        engine.append(put(number), Box::new(move |result| done.send(result).expect("the test waits")));
    }
    release.send(()).expect("held");
    for _ in 1..APPENDS {
        assert_eq!(all_done.recv(), Ok(Ok(())));
    }
    // The first may have been synced alone or with some of the others; then one group takes all that are left.
    assert!(database.get_ticker_count(Ticker::WalFileSynced) <= 2);
}
