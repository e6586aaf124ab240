//! Leaders that go, and nodes that come back.

use crate::cluster::{Cluster, audit, node, writes_in};
use std::time::Duration;
use symbi_raft::{Role, WriteError};

#[tokio::test(start_paused = true)]
async fn another_leads_when_the_leader_is_killed() {
    let mut cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 20).await;
    cluster.kill(0).await;
    let since = tokio::time::Instant::now();
    let leader = cluster.leader_among(&[1, 2]).await;
    assert!(since.elapsed() < Duration::from_millis(1500), "took {:?}", since.elapsed());
    cluster.write(leader, 20).await;

    cluster.start(0).await;
    let last = cluster.write(leader, 1).await;
    cluster.agree(last).await;
    assert_eq!(writes_in(&audit(cluster.replica(0))), 41);
    assert_eq!(cluster.status(0, |status| status.leader.is_some()).await.role, Role::Follower);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_commits_nothing_and_comes_back_quietly() {
    let cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 5).await;
    cluster.network.cut(node(0), node(1));
    cluster.network.cut(node(0), node(2));
    let old = cluster.replica(0).clone();
    let lost = tokio::spawn(async move { old.propose(crate::cluster::write(1_000)).await });

    let leader = cluster.leader_among(&[1, 2]).await;
    cluster.write(leader, 5).await;
    let term = cluster.status(leader, |status| status.leads()).await.term;
    // So long it is cut off: enough for several elections, if it held any.
    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.network.heal();

    assert_eq!(lost.await.expect("it does not panic"), Err(WriteError::Unknown));
    let last = cluster.write(leader, 5).await;
    let state = cluster.agree(last).await;
    assert_eq!(state.counters.applied_term, term, "whoever comes back does not depose the leader");
    assert_eq!(writes_in(&audit(cluster.replica(0))), 15, "what was not acknowledged is not there");
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over() {
    let cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 5).await;
    let since = tokio::time::Instant::now();
    cluster.hand_over(0, 2).await;
    assert!(since.elapsed() < Duration::from_millis(300), "took {:?}: an election, not a transfer", since.elapsed());
    let follower = cluster.status(0, |status| status.leader == Some(node(2))).await;
    assert_eq!((follower.role, follower.first_index_of_term), (Role::Follower, None));
    assert_eq!(cluster.try_write(0).await, Err(WriteError::NotLeader { leader: Some(node(2)) }));
    cluster.write(2, 1).await;
}

/// A batch that no follower could be sent is refused at the door.
#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_long_is_refused() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    let long = vec![0; 1024 * 1024];
    assert_eq!(cluster.replica(0).propose(long).await, Err(WriteError::TooLarge { bytes: 1024 * 1024 }));
    cluster.write(0, 1).await;
}
