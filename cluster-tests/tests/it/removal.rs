//! A node is removed for good: refused while it lives, replaced as a voter, and told so when it comes back. And what nodes
//! say of their machines and labels, which decides where agents go.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};

fn line<'nodes>(nodes: &'nodes Value, name: &str) -> &'nodes Value {
    let found = nodes.as_array().into_iter().flatten().find(|node| node["name"] == name);
    found.unwrap_or(&Value::Null)
}

async fn condemned(at: &Node, name: &str) {
    eventually("the dead node is condemned", SOON, async || {
        let nodes = at.get("/api/v1/nodes").await?;
        ensure!(line(&nodes, name)["state"] == "down", "{nodes:#}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_dead_voter_is_replaced_and_removed_and_learns_of_it_when_it_returns() {
    let mut cluster = Cluster::three().await;
    let learner = cluster.join().await;
    let (victim, asker) = (2, 0);
    let _ = cluster.nodes[asker].cli(&["node", "remove", "n3", "--yes"]).await.exits(7).says("NODE_IN_USE");
    cluster.nodes[victim].kill();
    condemned(&cluster.nodes[asker], "n3").await;
    let _ = cluster.nodes[asker].cli(&["node", "remove", "n3"]).await.exits(2).says("UNCONFIRMED");
    let _ = cluster.nodes[asker].cli(&["node", "remove", "n3", "--yes"]).await.exits(0);
    for at in [asker, 1, learner] {
        cluster.nodes[at].sees_voters(3).await;
        let nodes = cluster.nodes[at].get("/api/v1/nodes").await.unwrap();
        assert_eq!((line(&nodes, "n3"), &line(&nodes, "n4")["role"]), (&Value::Null, &json!("voter")));
    }
    // The three that are left are a cluster of three: one of them may fail.
    let _ = cluster.nodes[asker].cli(&["node", "remove", "n3", "--yes"]).await.exits(3).says("NOT_FOUND");
    cluster.nodes[victim].start(&[]);
    assert_eq!(cluster.nodes[victim].end().await, 7);
    let said = cluster.nodes[victim].stderr();
    assert!(said.contains("error[NODE_REMOVED]: this node was removed from its cluster"), "{said}");
    cluster.nodes[1].kill();
    cluster.nodes[asker].still_works().await;
}

#[tokio::test]
async fn a_node_that_the_majority_needs_is_not_removed() {
    let mut cluster = Cluster::three().await;
    cluster.nodes[1].kill();
    condemned(&cluster.nodes[0], "n2").await;
    cluster.nodes[2].kill();
    eventually("the removal is refused", SOON, async || {
        let ran = cluster.nodes[0].cli(&["node", "remove", "n2", "--yes", "--timeout", "5s"]).await;
        ensure!(ran.code == 7 && ran.err.contains("QUORUM_AT_RISK"), "{ran:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_agent_goes_where_its_labels_are_and_its_strategy_says() {
    let mut cluster = Cluster::one().await;
    let (seed, token) = (cluster.nodes[0].listen.to_string(), cluster.join_token.clone());
    let mut second = cluster.newcomer();
    let flags = ["--label", "zone=b", "--label", "gpu", "--max-agents", "1"];
    second.start(&[["--join", &seed, "--token", &token].as_slice(), &flags].concat());
    second.ready().await;
    cluster.nodes.push(second);

    let node = &cluster.nodes[0];
    eventually("what both nodes said of themselves", SOON, async || {
        let nodes = node.get("/api/v1/nodes").await?;
        for name in ["n1", "n2"] {
            let usage = &line(&nodes, name)["usage"];
            ensure!(
                usage["memory_total_mb"].as_u64() > Some(0) && usage["disk_total_mb"].as_u64() > Some(0),
                "{nodes:#}"
            );
        }
        ensure!(line(&nodes, "n2")["round_trip_us"].is_u64(), "{nodes:#}");
        ensure!(line(&nodes, "n2")["labels"] == json!(["gpu", "node=n2", "zone=b"]), "{nodes:#}");
        Ok(())
    })
    .await;
    let _ = node.cli(&["node", "ls"]).await.exits(0).says("gpu,zone=b");

    let spec = |name: &str, placement: &str| {
        let path = cluster.spec(name, "demo", &Program::Echo, "always");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}[placement]\n{placement}\n")).unwrap();
        path
    };
    let gpu = spec("wants-gpu", "require = [\"gpu\"]");
    let _ = node.cli(&["agent", "run", &gpu, "--wait"]).await.exits(0);
    assert_eq!(cluster.agent(0, "wants-gpu").await.unwrap()["node"], "n2");
    let first = spec("first", "strategy = \"first-fit\"");
    let _ = node.cli(&["agent", "run", &first, "--wait"]).await.exits(0);
    assert_eq!(cluster.agent(0, "first").await.unwrap()["node"], "n1");

    let too_many = spec("second-gpu", "require = [\"gpu\"]");
    let _ = node.cli(&["agent", "run", &too_many]).await.exits(0);
    let why = eventually("why it waits", SOON, async || {
        let why = node.cli(&["why", "agent", "second-gpu", "-o", "json"]).await;
        ensure!(why.code == 0, "{why:?}");
        Ok(why.json())
    })
    .await;
    let reasons: Vec<&str> =
        why["nodes"].as_array().unwrap().iter().map(|node| node["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["it has no label gpu", "it has 1 agents already, and takes no more"]);

    // A node keeps its labels when it is started without the flag.
    let second = &mut cluster.nodes[1];
    assert_eq!(second.stop().await, 0);
    second.start(&[]);
    second.ready().await;
    let nodes = eventually("it is back", Duration::from_secs(20), async || {
        let nodes = cluster.nodes[1].get("/api/v1/nodes").await?;
        line(&nodes, "n2")["labels"].as_array().map(|_| nodes.clone()).context("no labels")
    })
    .await;
    assert_eq!(line(&nodes, "n2")["labels"], json!(["gpu", "node=n2", "zone=b"]));
    assert_eq!(line(&nodes, "n2")["max_agents"], 1);
}
