//! The thread that writes appended batches: all that wait in one write, one sync, then every callback in order.
//!
//! It writes without a sync and then syncs the log. A write that syncs would hold RocksDB's queue of writers for as long as
//! the disk takes, and with it every write that need not be durable, such as what applying a committed entry changes.

use crate::database::Database;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use symbi_store::{OnDurable, WriteBatch};

/// An append on its way.
pub(crate) struct Append {
    /// What to write.
    pub(crate) batch: WriteBatch,
    /// Whom to tell.
    pub(crate) on_durable: OnDurable,
}

/// Writes until every sender is gone and the queue is empty.
pub(crate) fn run(shared: &Arc<Database>, queue: &Receiver<Append>, group_bytes: usize) {
    while let Ok(first) = queue.recv() {
        let (group, callbacks) = gather(shared, first, queue, group_bytes);
        let result = shared.write(group).and_then(|()| shared.sync());
        if let Err(error) = &result {
            tracing::error!(%error, appends = callbacks.len(), "appends could not be made durable");
        }
        for on_durable in callbacks {
            on_durable(result.clone());
        }
    }
}

/// The first append and those that wait behind it, up to about `group_bytes`.
fn gather(
    shared: &Database,
    first: Append,
    queue: &Receiver<Append>,
    group_bytes: usize,
) -> (rocksdb::WriteBatch, Vec<OnDurable>) {
    let mut group = rocksdb::WriteBatch::default();
    let mut callbacks = Vec::new();
    let mut next = Some(first);
    while let Some(append) = next {
        shared.fill(&mut group, append.batch.ops());
        callbacks.push(append.on_durable);
        next = if group.size_in_bytes() < group_bytes { queue.try_recv().ok() } else { None };
    }
    (group, callbacks)
}
