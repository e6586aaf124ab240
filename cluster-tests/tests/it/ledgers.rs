//! What the nodes' ledgers say of messages: shown from every node, anchored within seconds, in the bundle, and after a denial's
//! node was started anew.

use anyhow::ensure;
use serde_json::{Value, json};
use symbi_cluster_tests::{Cluster, SOON, eventually, symbi};

/// Tells `echo` from the node `at`; the message's id.
async fn tell(cluster: &Cluster, at: usize) -> String {
    let told = cluster.nodes[at].cli(&["agent", "tell", "echo", "1"]).await.exits(0).json();
    assert_eq!(told["status"], "delivered");
    told["message_id"].as_str().expect("it has an id").to_owned()
}

#[tokio::test]
async fn a_message_is_shown_from_every_node_until_it_is_anchored_and_its_ledgers_are_in_the_bundle() {
    let mut cluster = Cluster::three().await;
    cluster.run_echo("echo", "demo").await;
    let host = cluster.agent(0, "echo").await.unwrap()["node"].clone();
    let host = cluster.nodes.iter().position(|node| host == node.name.as_str()).expect("it runs");
    let (far, other) = ((host + 1) % 3, (host + 2) % 3);
    let id = tell(&cluster, far).await;
    let near = tell(&cluster, host).await;
    for node in &cluster.nodes {
        let shown = eventually("it is anchored", SOON, async || {
            let shown = node.cli(&["msg", "show", &id, "-o", "json"]).await.exits(0).json();
            ensure!(shown["state"] == "anchored", "{shown:#}");
            Ok(shown)
        })
        .await;
        assert_eq!((&shown["kind"], &shown["status"]), (&json!("tell"), &json!("delivered")), "{shown:#}");
        assert_eq!(shown["sender_node"], cluster.nodes[far].name.as_str(), "{shown:#}");
        assert_eq!(shown["receiver_node"], cluster.nodes[host].name.as_str(), "{shown:#}");
        let decided = |side: &str| shown[side].as_str().is_some_and(|decision| decision.len() == 45);
        assert!(decided("sent_by") && decided("received_by"), "{shown:#}");
        let recorded = |line: &Value| line["record"].as_str().is_some_and(|record| record.contains('.'));
        assert!(shown["lines"].as_array().unwrap().iter().all(recorded), "{shown:#}");
        let _ = node.cli(&["msg", "status", &near]).await.exits(0).says("delivered");
        let _ = node.cli(&["msg", "show", "0198ffff-0000-7000-8000-000000000001"]).await.exits(3).says("NOT_FOUND");
    }
    let bundle = cluster.file("b.jsonl");
    let path = bundle.to_str().unwrap();
    let _ = cluster.nodes[other].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let verified = symbi(&["audit", "verify", path, "-o", "json"]).await.exits(0).json();
    let ledgers = &verified["ledgers"];
    assert_eq!((&ledgers["checked"], &ledgers["missing"]), (&json!(3), &json!([])), "{verified:#}");
    assert!(ledgers["two_sided_batches"].as_u64() >= Some(1), "{verified:#}");

    // Without the receiver's node: what the others know is shown, what nobody knows may be known there.
    let gone = cluster.nodes[host].name.clone();
    cluster.nodes[host].kill();
    let shown = cluster.nodes[other].cli(&["msg", "show", &id]).await.exits(0);
    assert!(shown.out.contains("not asked") && shown.out.contains(&gone), "{shown:?}");
    let unknown = ["msg", "status", "0198ffff-0000-7000-8000-000000000001"];
    let _ = cluster.nodes[other].cli(&unknown).await.exits(5).says(&gone);
    let _ = cluster.nodes[other].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let verified = symbi(&["audit", "verify", path, "-o", "json"]).await.exits(0).json();
    let missing = &verified["ledgers"]["missing"][0];
    assert_eq!(missing["node"], gone, "{verified:#}");
    assert!(missing["anchored_entries"].as_u64() > Some(0), "{verified:#}");
    let _ = symbi(&["audit", "verify", path]).await.exits(0).says("missing");
}

#[tokio::test]
async fn a_denial_is_explained_after_its_node_was_started_anew() {
    let mut cluster = Cluster::one().await;
    cluster.run_echo("a", "demo").await;
    cluster.run_echo("b", "another").await;
    let denied = cluster.nodes[0].cli(&["agent", "ask", "b", "1", "--from", "a"]).await.exits(4);
    let words = denied.err.split(|letter: char| letter.is_whitespace() || letter == '\'');
    let decision = words.map(|word| word.trim_end_matches([')', ',', '.'])).find(|word| word.len() == 45);
    let decision = decision.unwrap_or_else(|| panic!("{denied:?}")).to_owned();
    let why = ["why", "decision", decision.as_str()];
    let _ = cluster.nodes[0].cli(&why).await.exits(0).says("DENY");
    assert_eq!(cluster.nodes[0].stop().await, 0);
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
    let _ = cluster.nodes[0].cli(&why).await.exits(0).says("DENY").says("message::ask");
}
