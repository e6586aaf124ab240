//! Snapshots: for whoever is so far behind that the log does not reach back.

use crate::cluster::{Cluster, audit, node, writes_in};
use std::time::Duration;
use symbi_raft::{MembershipChange, Options};

/// Snapshots every few entries, and a log that keeps next to none.
fn often(options: Options) -> Options {
    Options { snapshot_every: 20, keep_entries: 2, ..options }
}

/// As many writes, and as long afterwards as it takes to make a snapshot of them and to purge the log.
async fn write_and_purge(cluster: &Cluster, index: usize, count: usize) -> u64 {
    let last = cluster.write(index, count).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    last
}

#[tokio::test(start_paused = true)]
async fn a_new_learner_gets_a_snapshot_and_then_the_log() {
    let mut cluster = Cluster::bootstrapped(2, often).await;
    write_and_purge(&cluster, 0, 200).await;
    cluster.replica(0).change(MembershipChange::AddLearner(node(1).into())).await.expect("a learner is added");
    let last = cluster.write(0, 5).await;
    cluster.agree(last).await;
    assert_eq!(writes_in(&audit(cluster.replica(1))), 205);

    cluster.power_off(1).await;
    cluster.start(1).await;
    assert!(cluster.replica(1).state().borrow().counters.applied_index > 150, "the snapshot was synced");
    let last = cluster.write(0, 5).await;
    cluster.agree(last).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_away_for_long_gets_a_snapshot() {
    let mut cluster = Cluster::of_three(often).await;
    cluster.write(0, 10).await;
    cluster.kill(2).await;
    write_and_purge(&cluster, 0, 300).await;
    cluster.start(2).await;
    let last = cluster.write(0, 1).await;
    cluster.agree(last).await;

    // It serves the snapshot it got to others, after a restart too.
    cluster.kill(2).await;
    cluster.start(2).await;
    cluster.hand_over(0, 2).await;
    cluster.kill(1).await;
    write_and_purge(&cluster, 2, 100).await;
    cluster.start(1).await;
    let last = cluster.write(2, 1).await;
    cluster.agree(last).await;
}

/// A transfer that is cut off leaves the old state whole and is begun again.
#[tokio::test(start_paused = true)]
async fn an_interrupted_snapshot_is_begun_again() {
    let mut cluster = Cluster::of_three(often).await;
    cluster.write(0, 10).await;
    cluster.kill(2).await;
    write_and_purge(&cluster, 0, 300).await;
    for pause in 1..40 {
        cluster.start(2).await;
        let before = cluster.replica(2).state().borrow().counters.applied_index;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let after = cluster.replica(2).state().borrow().counters.applied_index;
        assert!(!(30..=250).contains(&after), "all or nothing: {before}, then {after}");
        cluster.power_off(2).await;
    }
    cluster.start(2).await;
    let last = cluster.write(0, 1).await;
    cluster.agree(last).await;
}

/// The state's rows are saved once in a while. A snapshot lets the log go, so they must be saved with it: otherwise a start finds
/// neither the rows nor the entries that make them.
#[tokio::test(start_paused = true)]
async fn what_the_log_lets_go_is_saved_first() {
    let mut cluster = Cluster::bootstrapped(1, often).await;
    for round in 1..=10 {
        write_and_purge(&cluster, 0, 7).await;
        cluster.power_off(0).await;
        cluster.start(0).await;
        cluster.leader_among(&[0]).await;
        let last = cluster.write(0, 1).await;
        cluster.agree(last).await;
        assert_eq!(writes_in(&audit(cluster.replica(0))), round * 8);
    }
}
