//! What ends a replica, and what does not.

use crate::cluster::{Cluster, LONG, node, write};
use bytes::Bytes;
use symbi_raft::link::Kind;
use symbi_raft::{ServeError, WriteError};
use symbi_store::Error;

/// Only a leader that lies puts it there. If it stopped the replicas, it would stop them again at each start.
#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_read_stops_no_replica() {
    let cluster = Cluster::of_three(|options| options).await;
    assert_eq!(cluster.replica(0).propose(b"\xffgarbage".to_vec()).await, Err(WriteError::Unknown), "it says nothing");
    let last = cluster.write(0, 3).await;
    cluster.agree(last).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_replica() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    cluster.hosts[0].disk.fail_next(Error::Full);
    assert_eq!(cluster.replica(0).propose(write(1)).await, Err(WriteError::Stopped));
    let status = cluster.status(0, |status| status.stopped.is_some()).await;
    assert!(status.stopped.expect("it says why").contains("full"));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_replica_can_be_shut_down() {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    cluster.hosts[0].disk.fail_next(Error::Full);
    drop(cluster.replica(0).propose(write(1)).await);
    cluster.kill(0).await;
    cluster.start(0).await;
    cluster.leader_among(&[0]).await;
    cluster.write(0, 1).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_refused() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    let replica = cluster.replica(0);
    for garbage in [&b""[..], b"\x01", b"\x01\x00\x63", b"\x02\x00\x00", &[0xff; 2_000_000]] {
        for kind in [Kind::Append, Kind::Heartbeat, Kind::Snapshot, Kind::Vote, Kind::Lines] {
            let answer = replica.serve(node(1), kind, Bytes::copy_from_slice(garbage)).await;
            assert!(matches!(answer, Err(ServeError::Malformed { .. })), "{answer:?}");
        }
    }
    cluster.write(0, 1).await;
}

/// A replica of one node refuses to be spoken to by a node that is not what it says.
#[tokio::test(start_paused = true)]
async fn a_request_in_anothers_name_is_refused() {
    let cluster = Cluster::of_three(|options| options).await;
    let (seen, mut heartbeats) = tokio::sync::mpsc::unbounded_channel();
    let replica = cluster.replica(1).clone();
    // What the leader sends to one node, another sends on as its own.
    cluster.network.attach(
        node(1),
        std::sync::Arc::new(move |from, kind, request: Bytes| {
            if kind == Kind::Heartbeat {
                let _ = seen.send(request.clone());
            }
            let served = replica.serve(from, kind, request);
            Box::pin(async move { served.await.ok() })
        }),
    );
    cluster.write(0, 1).await;
    let heard = tokio::time::timeout(LONG, heartbeats.recv()).await;
    let (kind, request) = (Kind::Heartbeat, heard.expect("the leader speaks to it").expect("the network stands"));
    let replica = cluster.replica(1);
    assert_eq!(replica.serve(node(2), kind, request.clone()).await, Err(ServeError::Impostor));
    assert!(matches!(replica.serve(node(0), Kind::Vote, request.clone()).await, Err(ServeError::Malformed { .. })));
    assert!(replica.serve(node(0), kind, request).await.is_ok());
}
