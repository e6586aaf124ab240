//! What a replica does with a disk that lost what it promised. The rest of the handle is tested in `tests/it`.

use super::{Engine, Keys, NodeId, Options, nodes};
use crate::control::{Handle, start};
use crate::error::Error;
use crate::memory::Mesh;
use crate::position::Position;
use crate::work::Work;
use std::sync::Arc;
use std::time::Duration;
use symbi_store::WriteBatch;
use symbi_store::memory::{self, Memory};

const NODE: NodeId = NodeId([1; 32]);

async fn open(engine: Arc<dyn Engine>) -> Result<Handle, Error> {
    let options = Options { work: Work::Inline, ..Options::new(NODE) };
    start(options, engine, Mesh::new(Duration::ZERO).link(NODE)).await
}

/// A replica of one that has a few entries, and then was shut down.
async fn used() -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(Memory::open(memory::Disk::new()).expect("a new disk opens"));
    let replica = open(engine.clone()).await.expect("it starts");
    replica.shared.raft.initialize(nodes([NODE.into()])).await.expect("it is new");
    replica.settled().await.expect("it leads");
    for _ in 0..5 {
        replica.shared.raft.write_blank().await.expect("it leads");
    }
    replica.shutdown().await;
    engine
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lost_committed_entries_does_not_start() {
    let engine = used().await;
    let keys = Keys::new(symbi_model::GroupId(0));
    let mut batch = WriteBatch::new();
    // The state behind the log, and the log cut off: what a lost tail looks like.
    let (from, to) = keys.generations(0, u64::MAX);
    batch.delete_range(from, to);
    batch.delete(keys.applied());
    batch.delete_range(keys.entry(3), keys.entries_end());
    engine.write(batch).expect("it writes");
    let refused = open(engine).await.err().expect("it does not start");
    assert!(matches!(refused, Error::Recovery { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_rows_cannot_be_read_does_not_start() {
    let engine = used().await;
    let keys = Keys::new(symbi_model::GroupId(0));
    for key in [keys.vote(), keys.purged(), keys.committed(), keys.applied(), keys.holes(), keys.row(0, b"\0counters")]
    {
        let before = engine.get(&key).expect("it reads");
        let mut batch = WriteBatch::new();
        batch.put(key.clone(), b"\xff garbage".as_slice());
        engine.write(batch).expect("it writes");
        let refused = open(engine.clone()).await.err().expect("it does not start");
        assert!(matches!(refused, Error::Storage(_)), "{refused}");

        let mut batch = WriteBatch::new();
        match before {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        };
        engine.write(batch).expect("it writes");
    }
    let replica = open(engine).await.expect("it is whole again");
    replica.shutdown().await;
}

/// Whoever still holds a handle or watches the replica keeps no disk open.
#[tokio::test(start_paused = true)]
async fn a_shut_down_replica_has_let_go_of_its_engine() {
    let engine: Arc<dyn Engine> = Arc::new(Memory::open(memory::Disk::new()).expect("a new disk opens"));
    let replica = open(engine.clone()).await.expect("it starts");
    let (state, status) = (replica.state(), replica.status());
    replica.shutdown().await;
    assert_eq!(Arc::strong_count(&engine), 1);
    drop(engine);
    assert!(replica.audit(Position::default(), 1).is_err());
    drop((state, status));
}
