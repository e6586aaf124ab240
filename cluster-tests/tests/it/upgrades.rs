//! Two versions in one cluster: this one, and one that speaks the next gate, with a command, a table, an act version and a kind of
//! request that this one does not know.

use crate::durability::ledger;
use anyhow::ensure;
use serde_json::json;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};

/// So many writes are acknowledged between two steps.
const MORE: u64 = 40;
/// What such a node logs once each member has understood its request.
const ALL_HEARD: &str = "each member has heard the next gate's request";
/// Lets a build for tests speak the next gate.
const NEXT: &[(&str, &str)] = &[("SYMBI_TEST_NEXT_GATE", "1")];

/// Starts a stopped node with the next version's program, or with this one's.
async fn restart(node: &mut Node, variables: &[(&str, &str)]) {
    assert_eq!(node.stop().await, 0);
    let words = node.arguments(&[]);
    node.start_with(variables, &words.iter().map(String::as_str).collect::<Vec<_>>());
    node.ready().await;
}

/// Waits until a node's program is known to speak a gate.
async fn speaks(cluster: &Cluster, node: &str, gate: u64) {
    eventually(&format!("{node} says that it speaks gate {gate}"), SOON, async || {
        let found = cluster.nodes[0].get("/api/v1/upgrade").await?;
        let nodes = found["nodes"].as_array().cloned().unwrap_or_default();
        ensure!(nodes.iter().any(|line| line["node"] == node && line["speaks"] == gate), "{found:#}");
        Ok(())
    })
    .await;
}

/// How often the next gate's command was carried out.
async fn marks(node: &Node) -> usize {
    let lines = node.get("/api/v1/audit?last=1000").await.expect("the records");
    let lines = lines.as_array().expect("records");
    lines.iter().filter(|line| line["kind"] == "next.mark" && line["outcome"] == "DONE").count()
}

#[tokio::test]
async fn two_versions_live_together_until_and_after_finalize_under_load() {
    let mut cluster = Cluster::three().await;
    let before = ledger(&cluster).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Node::client).collect();
    let writers = Writers::start(4, "ledger", &clients);
    writers.go_on(MORE).await;
    let _ = cluster.nodes[0].cli(&["upgrade", "check"]).await.exits(7).says("no node's program speaks a higher one");

    // One node is upgraded, does its work, and goes back: nothing that it wrote stands in the way.
    restart(&mut cluster.nodes[2], NEXT).await;
    speaks(&cluster, "n3", 2).await;
    writers.go_on(MORE).await;
    let refused = cluster.nodes[0].post("/api/v1/upgrade/finalize", &json!({ "gate": 2 })).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("speaks no higher gate than 1")));
    let _ = cluster.nodes[1].cli(&["upgrade", "check"]).await.exits(7).says("n1, n2");
    for node in &cluster.nodes[..2] {
        node.logs("a control request of a later version").await;
    }
    assert!(!cluster.nodes[2].stderr().contains(ALL_HEARD), "by programs that do not know it");
    restart(&mut cluster.nodes[2], &[]).await;
    speaks(&cluster, "n3", 1).await;
    writers.go_on(MORE).await;
    assert_eq!(marks(&cluster.nodes[0]).await, 0, "nothing of the next gate took effect");

    // All are upgraded, one after the other, and the gate is opened.
    for place in [2, 0, 1] {
        restart(&mut cluster.nodes[place], NEXT).await;
        writers.go_on(MORE).await;
    }
    for node in ["n1", "n2", "n3"] {
        speaks(&cluster, node, 2).await;
    }
    // What it brings must be named by the policies first, else nobody could use it.
    let _ = cluster.nodes[0].cli(&["upgrade", "check"]).await.exits(7).says("next::mark");
    let _ = cluster.nodes[0].cli(&["upgrade", "finalize"]).await.exits(7).says("ACTIONS_UNNAMED");
    let set = cluster.nodes[0].get("/api/v1/policies").await.expect("the current policies");
    let upgrade = cluster.nodes[0].get("/api/v1/upgrade").await.expect("how far it is");
    let line = upgrade["lines"][0].as_str().expect("a line to add");
    let text = format!("{}\n{line}\n", set["text"].as_str().expect("their text"));
    cluster.nodes[0].post("/api/v1/policies", &json!({ "text": text })).await.expect("valid policies");
    let _ = cluster.nodes[0].cli(&["upgrade", "finalize"]).await.exits(0);
    eventually("each node has used what the gate opened", SOON, async || {
        ensure!(marks(&cluster.nodes[1]).await == 3);
        Ok(())
    })
    .await;
    for node in &cluster.nodes {
        node.logs(ALL_HEARD).await;
    }
    writers.go_on(MORE).await;
    let written = writers.end().await;
    for at in 0..3 {
        written.is_there_once(&cluster.agent(at, "ledger").await.expect("the agent"), before);
    }
    cluster.same_head().await;
    cluster.chains_hold().await;

    // Now nobody can go back.
    assert_eq!(cluster.nodes[2].stop().await, 0);
    cluster.nodes[2].start(&[]);
    assert_eq!(cluster.nodes[2].end().await, 7);
    assert!(cluster.nodes[2].stderr().contains("GATE_TOO_HIGH"), "{}", cluster.nodes[2].stderr());
}

#[tokio::test]
async fn what_cannot_be_finalized_is_refused_with_its_exit_code() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let _ = node.cli(&["upgrade", "status"]).await.exits(0).says("gate 1 is open; there is no gate to open");
    let _ = node.cli(&["upgrade", "finalize", "--gate", "9"]).await.exits(7).says("GATE_UNSPOKEN");
    // What is open already is no change, and no error.
    let _ = node.cli(&["upgrade", "finalize"]).await.exits(0);
    let status = node.cli(&["upgrade", "status", "-o", "json"]).await.exits(0).json();
    assert_eq!((&status["gate"], &status["can_finalize"]), (&json!(1), &json!(false)));
}
