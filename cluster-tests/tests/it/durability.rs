//! Whatever is killed or stopped in the middle of a stream of writes: what was acknowledged is there, and nothing twice.

use anyhow::ensure;
use rustix::process::Signal;
use std::time::Duration;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};

/// How many clients write at once.
const CLIENTS: usize = 8;
/// So many writes are acknowledged before a fault, and after it.
const MORE: u64 = 60;

/// Makes the agent `ledger`, which only serves to be annotated; answers its record's version.
pub async fn ledger(cluster: &Cluster) -> u64 {
    let spec = cluster.spec("ledger", "tests", &Program::Ends, "never");
    let _ = cluster.nodes[0].cli(&["agent", "run", &spec, "--wait"]).await.exits(0);
    cluster.agent(0, "ledger").await.unwrap()["version"].as_u64().unwrap()
}

/// Runs `fault` in the middle of a stream of writes and checks what must hold afterwards, on every node.
async fn holds_through(fault: impl AsyncFnOnce(&mut Cluster, &Writers)) {
    let mut cluster = Cluster::three().await;
    let before = ledger(&cluster).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Node::client).collect();
    let writers = Writers::start(CLIENTS, "ledger", &clients);
    writers.go_on(MORE).await;
    fault(&mut cluster, &writers).await;
    writers.go_on(MORE).await;
    let written = writers.end().await;
    for node in &cluster.nodes {
        node.sees_voters(3).await;
    }
    for at in 0..3 {
        written.is_there_once(&cluster.agent(at, "ledger").await.unwrap(), before);
    }
    cluster.same_head().await;
    cluster.chains_hold().await;
}

/// Starts a node again, and waits until it serves.
pub async fn restart(cluster: &mut Cluster, place: usize) {
    cluster.nodes[place].start(&[]);
    cluster.nodes[place].ready().await;
}

#[tokio::test]
async fn writes_survive_kill_9_of_the_leader() {
    holds_through(async |cluster, writers| {
        let leader = cluster.leader().await;
        cluster.nodes[leader].kill();
        writers.go_on(MORE).await;
        restart(cluster, leader).await;
    })
    .await;
}

#[tokio::test]
async fn writes_survive_kill_9_of_a_follower() {
    holds_through(async |cluster, writers| {
        let follower = (cluster.leader().await + 1) % 3;
        cluster.nodes[follower].kill();
        writers.go_on(MORE).await;
        restart(cluster, follower).await;
    })
    .await;
}

#[tokio::test]
async fn writes_survive_kill_9_of_all_three() {
    holds_through(async |cluster, _| {
        cluster.nodes.iter_mut().for_each(Node::kill);
        for node in &mut cluster.nodes {
            node.start(&[]);
        }
        for node in &mut cluster.nodes {
            node.ready().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_stood_still_for_20_s_comes_back_as_a_follower() {
    holds_through(async |cluster, writers| {
        let leader = cluster.leader().await;
        let others: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
        let term = cluster.nodes[leader].status().await.unwrap()["term"].as_u64().unwrap();
        cluster.nodes[leader].signal(Signal::STOP);
        let still = tokio::time::sleep(Duration::from_secs(20));
        let new = cluster.leader_among(&others).await;
        writers.go_on(MORE).await;
        still.await;
        cluster.nodes[leader].signal(Signal::CONT);
        let name = cluster.nodes[new].name.clone();
        eventually("the old leader follows", SOON, async || {
            let status = cluster.nodes[leader].status().await?;
            ensure!(
                status["leader"] != cluster.nodes[leader].name.as_str() || status["term"].as_u64() > Some(term),
                "{status}"
            );
            ensure!(status["leader"].is_string(), "it knows no leader, and {name} led");
            Ok(())
        })
        .await;
    })
    .await;
}
