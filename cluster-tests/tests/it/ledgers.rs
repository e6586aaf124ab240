//! What the nodes' ledgers say of messages: shown from every node, anchored within seconds, in the bundle, and after a denial's
//! node was started anew.

use anyhow::ensure;
use serde_json::{Value, json};
use symbi_cluster_tests::{Cluster, SOON, eventually, symbi};

/// Tells `echo` from the node `at`; the message's id.
async fn tell(cluster: &Cluster, at: usize) -> String {
    tell_as(cluster, at, &[]).await
}

/// The same with more arguments.
async fn tell_as(cluster: &Cluster, at: usize, more: &[&str]) -> String {
    let words = [&["agent", "tell", "echo", "1"], more].concat();
    let told = cluster.nodes[at].cli(&words).await.exits(0).json();
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

    let decision = recorded_by(&cluster, far, &id, "sent_by").await;
    assert_eq!(cluster.nodes[far].stop().await, 0);
    cluster.nodes[far].start(&[]);
    cluster.nodes[far].ready().await;
    eventually("its node explains it from its ledger", SOON, async || {
        let why = cluster.nodes[other].cli(&["why", "decision", &decision[..30]]).await;
        ensure!(why.code == 0, "{why:?}");
        let _ = why.says(&decision).says("ALLOW").says("is worked out again, from policy set 1, and what");
        Ok(())
    })
    .await;

    // Without the receiver's node: what the others know is shown, what nobody knows may be known there.
    let gone = cluster.nodes[host].name.clone();
    cluster.nodes[host].kill();
    let shown = cluster.nodes[other].cli(&["msg", "show", &id]).await.exits(0);
    assert!(shown.out.contains("no answer") && shown.out.contains(&gone), "{shown:?}");
    let unknown = ["msg", "status", "0198ffff-0000-7000-8000-000000000001"];
    let _ = cluster.nodes[other].cli(&unknown).await.exits(5).says(&gone);
    let _ = cluster.nodes[other].cli(&["audit", "export", "--bundle", path]).await.exits(0);
    let verified = symbi(&["audit", "verify", path, "-o", "json"]).await.exits(8).json();
    let missing = &verified["ledgers"]["missing"][0];
    assert_eq!(missing["node"], gone, "{verified:#}");
    assert!(missing["anchored_entries"].as_u64() > Some(0), "{verified:#}");
    let _ = symbi(&["audit", "verify", path]).await.exits(8).says("missing");
}

/// The decision of one side of a message.
async fn recorded_by(cluster: &Cluster, at: usize, message: &str, side: &str) -> String {
    let shown = cluster.nodes[at].cli(&["msg", "show", message, "-o", "json"]).await.exits(0).json();
    shown[side].as_str().expect("it was decided").to_owned()
}

#[tokio::test]
async fn what_was_allowed_is_explained_after_its_node_was_started_anew() {
    let mut cluster = Cluster::one().await;
    cluster.run_echo("echo", "demo").await;
    cluster.run_echo("a", "demo").await;
    let id = tell(&cluster, 0).await;
    let sent = recorded_by(&cluster, 0, &id, "sent_by").await;
    let by_agent = tell_as(&cluster, 0, &["--from", "a"]).await;
    let received = recorded_by(&cluster, 0, &by_agent, "received_by").await;
    let given = cluster.nodes[0].cli(&["why", "decision", &sent, "-o", "json"]).await.exits(0).json();
    assert_eq!(given["worked_out"], json!(null));
    assert_eq!(cluster.nodes[0].stop().await, 0);
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
    let again = cluster.nodes[0].cli(&["why", "decision", &sent, "-o", "json"]).await.exits(0).json();
    let from = again["worked_out"].as_str().expect("it is not as it was given").to_owned();
    assert!(from.contains(&id) && from.contains("from policy set 1, which was in force then"), "{from}");
    let but_for_that = |mut verdict: Value| {
        verdict["worked_out"].take();
        verdict
    };
    assert_eq!(but_for_that(again), but_for_that(given));
    let _ = cluster.nodes[0]
        .cli(&["why", "decision", &received])
        .await
        .exits(0)
        .says("message::receive")
        .says("same-owner");
    let _ = cluster.nodes[0].cli(&["agent", "rm", "a"]).await.exits(0);
    eventually("the sender's record is gone", SOON, async || {
        let why = cluster.nodes[0].cli(&["why", "decision", &received]).await.exits(0).says("ALLOW");
        ensure!(why.out.contains("cannot be worked out"), "{why:?}");
        Ok(())
    })
    .await;
    let ambiguous = cluster.nodes[0].cli(&["why", "decision", &received[..8]]).await.exits(2).says("AMBIGUOUS");
    assert!(ambiguous.err.contains(&received[..9]), "{ambiguous:?}");
    let unknown = format!("{}-0198ffff", &received[..8]);
    let _ = cluster.nodes[0].cli(&["why", "decision", &unknown]).await.exits(3).says("NOT_FOUND");
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
