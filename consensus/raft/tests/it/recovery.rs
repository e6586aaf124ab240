//! Power cuts, killed processes and slow disks.

use crate::cluster::{Cluster, LONG, audit, writes_in};

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_when_the_power_goes_everywhere() {
    let mut cluster = Cluster::of_three(|options| options).await;
    let last = cluster.write(0, 25).await;
    for index in 0..3 {
        cluster.hosts[index].disk.crash();
    }
    for index in 0..3 {
        cluster.kill(index).await;
    }
    for index in 0..3 {
        cluster.start(index).await;
    }
    let leader = cluster.leader_among(&[0, 1, 2]).await;
    let next = cluster.write(leader, 1).await;
    assert!(next > last);
    cluster.agree(next).await;
    assert_eq!(writes_in(&audit(cluster.replica(leader))), 26);
}

/// The others commit while one disk hangs; then that node loses its power, and with it all that hung.
#[tokio::test(start_paused = true)]
async fn a_follower_that_loses_unsynced_entries_gets_them_again() {
    let mut cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 5).await;
    cluster.hosts[2].disk.stall();
    let last = cluster.write(0, 25).await;
    cluster.power_off(2).await;
    cluster.start(2).await;
    let state = cluster.agree(last).await;
    assert_eq!(state.counters.applied_index, last);
    assert_eq!(writes_in(&audit(cluster.replica(2))), 30);
}

/// What a follower applies may be saved before its log is synced. A process that is killed then keeps the one and loses
/// the other: its state is ahead of its log.
#[tokio::test(start_paused = true)]
async fn a_killed_follower_whose_state_is_ahead_of_its_log_goes_on() {
    let mut cluster = Cluster::of_three(|options| options).await;
    let synced = cluster.write(0, 5).await;
    cluster.hosts[2].disk.stall();
    let last = cluster.write(0, 100).await;
    cluster.replica(2).wait_applied(last, LONG).await.expect("it applies what others have synced");
    assert!(cluster.hosts[2].disk.waiting() > 0, "its own log is behind");
    cluster.kill(2).await;
    cluster.hosts[2].disk.resume();
    cluster.start(2).await;
    let saved = cluster.replica(2).state().borrow().counters.applied_index;
    assert!(
        saved > synced,
        "its state is ahead of its log, which ends with entry {synced}, and begins again at {saved}"
    );

    let last = cluster.write(0, 10).await;
    cluster.agree(last).await;
    assert_eq!(writes_in(&audit(cluster.replica(2))), 115);
    // It can lead, though it has no entries from before.
    cluster.hand_over(0, 2).await;
    let last = cluster.write(2, 5).await;
    cluster.agree(last).await;
}

#[tokio::test(start_paused = true)]
async fn the_leader_commits_with_a_hanging_disk_of_its_own() {
    let mut cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 5).await;
    cluster.hosts[0].disk.stall();
    let last = cluster.write(0, 5).await;
    cluster.replica(1).wait_applied(last, LONG).await.expect("it follows");
    cluster.power_off(0).await;
    let leader = cluster.leader_among(&[1, 2]).await;
    cluster.start(0).await;
    let last = cluster.write(leader, 5).await;
    cluster.agree(last).await;
    assert_eq!(writes_in(&audit(cluster.replica(0))), 15);
}
