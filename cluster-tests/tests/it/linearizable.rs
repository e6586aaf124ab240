//! Eight clients read and write shared keys through all three nodes while one of these is killed or stands still: what they
//! saw is linearizable, key by key.

use crate::durability::{ledger, restart};
use rustix::process::Signal;
use std::time::Duration;
use symbi_cluster_tests::registers::Registers;
use symbi_cluster_tests::{Cluster, Node};

/// How many clients there are.
const CLIENTS: usize = 8;
/// So many operations return before a fault, and after it.
const MORE: u64 = 300;
/// How long a leader stands still: another leads long before.
const STILL: Duration = Duration::from_secs(8);

/// Runs `fault` in the middle of reads and writes, and judges what they saw.
async fn stays_linearizable(fault: impl AsyncFnOnce(&mut Cluster, &Registers)) {
    let mut cluster = Cluster::three().await;
    ledger(&cluster).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Node::client).collect();
    let registers = Registers::start(CLIENTS, "ledger", &clients);
    registers.go_on(MORE).await;
    fault(&mut cluster, &registers).await;
    registers.go_on(MORE).await;
    let history = registers.end().await;
    let checked = history.check().unwrap_or_else(|error| panic!("{error}"));
    println!("{checked:?}");
    let least = usize::try_from(MORE / 3).expect("a few");
    assert!(checked.reads > least && checked.writes > least, "too little was seen: {checked:?}");
    assert!(checked.unknown > 0, "no operation met the fault: {checked:?}");
}

#[tokio::test]
async fn through_kill_9_of_the_leader() {
    stays_linearizable(async |cluster, registers| {
        let leader = cluster.leader().await;
        cluster.nodes[leader].kill();
        registers.go_on(MORE).await;
        restart(cluster, leader).await;
    })
    .await;
}

#[tokio::test]
async fn through_kill_9_of_a_follower() {
    stays_linearizable(async |cluster, registers| {
        let follower = (cluster.leader().await + 1) % 3;
        cluster.nodes[follower].kill();
        registers.go_on(MORE).await;
        restart(cluster, follower).await;
    })
    .await;
}

#[tokio::test]
async fn through_a_leader_that_stands_still_and_goes_on() {
    stays_linearizable(async |cluster, registers| {
        let leader = cluster.leader().await;
        let others: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
        cluster.nodes[leader].signal(Signal::STOP);
        let still = tokio::time::sleep(STILL);
        cluster.leader_among(&others).await;
        registers.go_on(MORE).await;
        still.await;
        // What was asked of it meanwhile it answers now: it must not answer as the leader that it was.
        cluster.nodes[leader].signal(Signal::CONT);
    })
    .await;
}
