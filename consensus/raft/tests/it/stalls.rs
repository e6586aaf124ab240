//! Disks that hang.

use crate::cluster::{Cluster, node, write};
use std::time::Duration;
use symbi_raft::WriteError;

/// A leader whose disk hangs goes on leading in openraft's eyes: the others' disks make its quorum.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_disk_hangs_hands_leadership_over() {
    let cluster = Cluster::of_three(|options| options).await;
    cluster.write(0, 5).await;
    cluster.hosts[0].disk.stall();
    let since = tokio::time::Instant::now();
    let old = cluster.replica(0).clone();
    // Taken before anybody could know: it may be committed yet.
    let hung = tokio::spawn(async move { old.propose(write(1_000)).await });
    let leader = cluster.leader_among(&[1, 2]).await;
    assert!(since.elapsed() < Duration::from_millis(2_700), "it led on for {:?}", since.elapsed());
    cluster.write(leader, 5).await;

    let status = cluster.status(0, |status| !status.leads()).await;
    assert_ne!(status.leader, Some(node(0)), "it does not take itself for the leader");
    assert_eq!(status.first_index_of_term, None);
    assert_eq!(cluster.try_write(0).await, Err(WriteError::NotLeader { leader: None }));
    assert!(cluster.replica(0).confirm_lead().await.is_err());

    cluster.hosts[0].disk.resume();
    drop(hung.await);
    cluster.status(0, |status| status.leader == Some(node(u8::try_from(leader).expect("one of three")))).await;
    let last = cluster.write(leader, 5).await;
    cluster.agree(last).await;
}

/// A disk that is slow, and answers, is none of this.
#[tokio::test(start_paused = true)]
async fn a_slow_disk_leads_on() {
    let cluster = Cluster::of_three(|options| options).await;
    let term = cluster.status(0, |status| status.leads()).await.term;
    for _ in 0..8 {
        cluster.hosts[0].disk.stall();
        let write = cluster.try_write(0);
        let (written, ()) = tokio::join!(write, async {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            cluster.hosts[0].disk.resume();
        });
        written.expect("the others' disks make a quorum");
    }
    let status = cluster.status(0, |_| true).await;
    assert!(status.leads());
    assert_eq!(status.term, term);
}

/// There is nobody to lead in its place. It ends with a word that says why.
#[tokio::test(start_paused = true)]
async fn a_replica_whose_disk_does_not_come_back_says_so_and_ends() {
    let mut cluster = Cluster::bootstrapped(1, |options| options).await;
    cluster.write(0, 1).await;
    cluster.hosts[0].disk.stall();
    let since = tokio::time::Instant::now();
    let old = cluster.replica(0).clone();
    let hung = tokio::spawn(async move { old.propose(write(1_000)).await });
    let status = cluster.status(0, |status| status.stopped.is_some()).await;
    let took = since.elapsed();
    assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "it took {took:?}");
    let why = status.stopped.expect("it says why");
    assert!(why.contains("the disk has not confirmed"), "{why}");
    hung.abort();

    cluster.power_off(0).await;
    cluster.hosts[0].disk.resume();
    cluster.start(0).await;
    cluster.leader_among(&[0]).await;
    cluster.write(0, 1).await;
}

/// Of the voters, one that is there takes over, however much of the log one has that is not.
#[tokio::test(start_paused = true)]
async fn leadership_goes_to_a_voter_that_was_heard_of_late() {
    for gone in [1, 2] {
        let cluster = Cluster::of_three(|options| options).await;
        cluster.write(0, 5).await;
        cluster.network.cut(node(0), node(gone));
        cluster.write(0, 5).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.hosts[0].disk.stall();
        let there = usize::from(3 - gone);
        let old = cluster.replica(0).clone();
        let hung = tokio::spawn(async move { old.propose(write(1_000)).await });
        let taken = cluster.leader_among(&[1, 2]).await;
        assert_eq!(taken, there);
        cluster.hosts[0].disk.resume();
        drop(hung.await);
    }
}

/// Silence would leave the group without a leader and bring no other.
#[tokio::test(start_paused = true)]
async fn a_leader_that_nobody_can_relieve_leads_on() {
    let cluster = Cluster::bootstrapped(1, |options| options).await;
    cluster.write(0, 1).await;
    let term = cluster.status(0, |status| status.leads()).await.term;
    cluster.hosts[0].disk.stall();
    let old = cluster.replica(0).clone();
    let hung = tokio::spawn(async move { old.propose(write(1_000)).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    let status = cluster.status(0, |_| true).await;
    assert!(status.leads() && status.term == term, "{status:?}");
    cluster.hosts[0].disk.resume();
    hung.await.expect("it was not stopped").expect("the disk has confirmed it");
    cluster.write(0, 1).await;
}
