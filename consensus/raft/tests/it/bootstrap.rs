//! A group of one, made once.

use crate::cluster::{Cluster, audit, genesis, node};
use std::time::Duration;
use symbi_model::Outcome;
use symbi_raft::memory::Mesh;
use symbi_raft::{Error, Handle, Options, Role, start};
use symbi_rocks::Rocks;

#[tokio::test(start_paused = true)]
async fn a_node_bootstraps_once() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    let replica = cluster.replica(0);
    let state = replica.state().borrow().clone();
    assert_eq!(state.cluster.as_ref().map(|cluster| cluster.name.as_str()), Some("test"));
    let before = audit(replica);

    replica.bootstrap(genesis()).await.expect("nothing is left to do");
    assert_eq!(audit(replica), before);

    let status = cluster.status(0, |status| status.applied == state.counters.applied_index).await;
    assert_eq!((status.role, status.leader), (Role::Leader, Some(node(0))));
    assert_eq!(status.voters, [vec![node(0)]]);
    assert!(status.learners.is_empty() && status.replication.is_empty() && status.stopped.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bootstrapped_node_restarts_as_what_it_was() {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    let last = cluster.write(0, 10).await;
    let before = cluster.agree(last).await;
    cluster.kill(0).await;
    cluster.start(0).await;
    assert_eq!(cluster.replica(0).state().borrow().hash(), before.hash(), "the image is loaded before anything else");
    cluster.leader_among(&[0]).await;
    cluster.replica(0).bootstrap(genesis()).await.expect("nothing is left to do");
    assert!(cluster.write(0, 1).await > last);
}

/// Whenever the power goes during a bootstrap, doing it again completes it.
#[tokio::test(start_paused = true)]
async fn an_interrupted_bootstrap_is_completed() {
    for steps in 0..60 {
        let mut cluster = Cluster::new(1, |options| options);
        cluster.start(0).await;
        let replica = cluster.replica(0).clone();
        let attempt = tokio::spawn(async move { replica.bootstrap(genesis()).await.is_ok() });
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        attempt.abort();
        cluster.power_off(0).await;
        drop(attempt.await);
        cluster.start(0).await;
        cluster.replica(0).bootstrap(genesis()).await.expect("the second attempt completes the first");
        let state = cluster.replica(0).state().borrow().clone();
        assert!(state.cluster.is_some(), "after {steps} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sole_voter_waits_for_nobody() {
    let since = tokio::time::Instant::now();
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    assert!(since.elapsed() < Duration::from_millis(50), "the bootstrap took {:?}", since.elapsed());
    cluster.kill(0).await;
    let since = tokio::time::Instant::now();
    cluster.start(0).await;
    cluster.leader_among(&[0]).await;
    assert!(since.elapsed() < Duration::from_millis(50), "the restart took {:?}", since.elapsed());
}

/// Neither with the others nor alone: whoever has a cluster starts without a leader.
#[tokio::test(start_paused = true)]
async fn a_member_of_three_has_nothing_to_bootstrap() {
    let mut cluster = Cluster::of_three(|options| options).await;
    cluster.replica(1).bootstrap(genesis()).await.expect("the cluster is there already");
    for index in 0..3 {
        cluster.power_off(index).await;
    }
    cluster.start(0).await;
    cluster.replica(0).bootstrap(genesis()).await.expect("there is a log of three");
    assert_eq!(cluster.replica(0).status().borrow().first_index_of_term, None);
}

/// The clock runs: a paused one would jump ahead while the engine's thread syncs.
#[tokio::test]
async fn a_replica_on_rocksdb_restarts_as_what_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = on_rocksdb(directory.path()).await.expect("it starts");
    first.bootstrap(genesis()).await.expect("a new group is made");
    for number in 1..=20 {
        let applied = first.propose(crate::cluster::write(number)).await.expect("it leads");
        assert_eq!(applied.outcomes, [Outcome::Done]);
    }
    let (before, chain) = (first.state().borrow().clone(), audit(&first));
    first.shutdown().await;
    drop(first);

    let second = on_rocksdb(directory.path()).await.expect("it starts again");
    second.bootstrap(genesis()).await.expect("nothing is left to do");
    let state = second.state().borrow().clone();
    assert_eq!(state.nodes, before.nodes);
    assert!(audit(&second).starts_with(&chain));
    second.shutdown().await;
}

async fn on_rocksdb(path: &std::path::Path) -> Result<Handle, Error> {
    let options = Options::new(node(0));
    let database =
        symbi_rocks::Options { runs: symbi_raft::runs(options.group).into(), ..symbi_rocks::Options::default() };
    let engine = Rocks::open(path, database).expect("the directory is free");
    let network = Mesh::new(Duration::ZERO);
    start(options, std::sync::Arc::new(engine), network.link(node(0))).await
}
