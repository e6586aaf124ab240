//! A node that joins behind a snapshot: the audit chain does not come with it, and is whole all the same a while later.

use anyhow::ensure;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually, symbi};

/// So many agents of so many variables of so many bytes are more than the log of a node keeps.
const AGENTS: usize = 1_300;
const VARIABLES: usize = 16;
const BYTES: usize = 3_700;
/// As many are created at once.
const AT_ONCE: usize = 16;

/// Records an agent that no node has room for, with a long specification.
async fn record(node: &Node, number: usize) {
    let env: BTreeMap<String, String> =
        (0..VARIABLES).map(|variable| (format!("V{variable}"), "x".repeat(BYTES))).collect();
    let spec = json!({
        "name": format!("large-{number}"), "owner": "demo", "program": { "command": ["true"], "env": env },
        "resources": { "memory_mb": 1_u64 << 32, "cpu_millis": 1 },
    });
    let _ = node.post("/api/v1/agents", &spec).await.expect("it is recorded");
}

async fn audit(node: &Node) -> anyhow::Result<Value> {
    Ok(node.status().await?["audit"].clone())
}

#[tokio::test]
async fn a_node_that_joins_behind_a_snapshot_exports_a_bundle_that_is_whole() {
    let mut cluster = Cluster::one().await;
    let numbers: Vec<usize> = (0..AGENTS).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        join_all(numbers.iter().map(|number| record(&cluster.nodes[0], *number))).await;
    }
    let second = cluster.join().await;
    eventually("the joiner's chain is whole", 2 * SOON, async || {
        let audit = audit(&cluster.nodes[second]).await?;
        ensure!(audit["missing"] == json!([]), "{audit:#}");
        Ok(())
    })
    .await;
    let said = cluster.nodes[second].stderr();
    assert!(said.contains("the audit is complete again"), "it took a snapshot, and fetched what that skipped: {said}");
    assert_eq!(audit(&cluster.nodes[0]).await.unwrap()["missing"], json!([]), "who has applied it all lacks nothing");

    // Alone it can prove all of it.
    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].as_str().expect("it has one").to_owned();
    let bundle = cluster.file("b.jsonl");
    let path = bundle.to_str().unwrap();
    let _ = cluster.nodes[second].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let verified = symbi(&["audit", "verify", path, "--anchor", &anchor, "-o", "json"]).await.exits(0).json();
    assert!(verified["records"].as_u64() > Some(AGENTS as u64), "{verified:#}");
    cluster.same_head().await;
    cluster.chains_hold().await;
}
