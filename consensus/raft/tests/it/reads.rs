//! Confirming that a node leads, and waiting for an index.

use crate::cluster::{Cluster, LONG, node};
use std::time::Duration;
use symbi_raft::{ConfirmError, Error};

#[tokio::test(start_paused = true)]
async fn a_confirmed_read_sees_every_acknowledged_write() {
    let cluster = Cluster::of_three(|options| options).await;
    let leader = cluster.replica(0);
    for _ in 0..10 {
        let last = cluster.write(0, 1).await;
        let confirmed = leader.confirm_lead().await.expect("it leads");
        assert!(confirmed.read_index >= last);
        assert_eq!(confirmed.term, cluster.status(0, |_| true).await.term);
        let state = cluster.replica(1).wait_applied(confirmed.read_index, LONG).await.expect("it follows");
        assert!(state.counters.applied_index >= last);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_a_round() {
    let cluster = Cluster::of_three(|options| options).await;
    let last = cluster.write(0, 1).await;
    let since = tokio::time::Instant::now();
    let asked = (0..2_000).map(|_| cluster.replica(0).confirm_lead());
    for confirmed in futures::future::join_all(asked).await {
        assert!(confirmed.expect("it leads").read_index >= last);
    }
    assert!(since.elapsed() < Duration::from_millis(50), "2,000 reads took {:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_lead_does_not_confirm() {
    let cluster = Cluster::of_three(|options| options).await;
    let follower = cluster.replica(1).confirm_lead().await;
    assert_eq!(follower, Err(ConfirmError::NotLeader { leader: Some(node(0)) }));
    cluster.network.cut(node(0), node(1));
    cluster.network.cut(node(0), node(2));
    assert_eq!(cluster.replica(0).confirm_lead().await, Err(ConfirmError::NoQuorum));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_index_ends_at_the_deadline() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    let waited = cluster.replica(0).wait_applied(10_000, Duration::from_secs(1)).await;
    assert!(matches!(waited, Err(Error::NotApplied { index: 10_000 })));
}
