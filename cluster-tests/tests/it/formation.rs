//! A cluster comes to be, shows what it is, and its nodes restart as what they were.

use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use symbi_cluster_tests::writers::Writers;
use symbi_cluster_tests::{Cluster, SOON, eventually};

use crate::durability::ledger;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

fn is_hash(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The documented shape of `cluster status -o json`.
fn assert_shape(status: &Value) {
    let top = ["cluster", "leader", "term", "commit_index", "applied_index", "age_ms", "nodes", "policy_set", "audit"];
    assert!(keys(status).is_superset(&BTreeSet::from(top)), "{status:#}");
    assert_eq!(keys(&status["cluster"]), BTreeSet::from(["id", "name", "anchor", "pin"]));
    assert!(is_hash(&status["cluster"]["anchor"]), "{status:#}");
    for counter in ["term", "commit_index", "applied_index", "age_ms", "policy_set"] {
        assert!(status[counter].is_u64(), "{counter} in {status:#}");
    }
    assert_eq!(keys(&status["audit"]), BTreeSet::from(["records", "head", "missing", "witnessed", "conflicts"]));
    assert!(status["audit"]["records"].is_u64() && is_hash(&status["audit"]["head"]), "{status:#}");
    for node in status["nodes"].as_array().expect("nodes") {
        let wanted = BTreeSet::from(["name", "id", "role", "state", "addr", "agents"]);
        assert!(keys(node).is_superset(&wanted), "{node}");
        assert!(is_hash(&node["id"]) && node["agents"].is_u64(), "{node}");
    }
}

#[tokio::test]
async fn three_nodes_join_and_become_three_voters() {
    let cluster = Cluster::three().await;
    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].clone();
    for node in &cluster.nodes {
        let status = node.cli(&["cluster", "status", "-o", "json"]).await.exits(0).json();
        assert_shape(&status);
        assert_eq!(status["cluster"]["anchor"], anchor, "one anchor, whoever is asked");
        let nodes = node.cli(&["node", "ls", "-o", "json"]).await.exits(0).json();
        let lines = nodes.as_array().expect("nodes");
        let names: Vec<&str> = lines.iter().filter_map(|line| line["name"].as_str()).collect();
        assert_eq!(names, ["n1", "n2", "n3"]);
        for (line, node) in lines.iter().zip(&cluster.nodes) {
            assert_eq!((&line["role"], &line["state"]), (&Value::from("voter"), &Value::from("ready")));
            assert_eq!(line["addr"], node.listen.to_string());
        }
        let table = node.cli(&["cluster", "status"]).await.exits(0);
        let _ = table.says("n2").says("voter").says("ready");
    }
    let document = cluster.nodes[0].get("/.well-known/agent-identity.json").await.unwrap();
    for node in &cluster.nodes {
        assert_eq!(node.get("/.well-known/agent-identity.json").await.unwrap(), document);
        for secret in ["node.key", "issuer.key", "api.sock"] {
            let mode = std::fs::metadata(node.dir.join(secret)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{secret} of {}", node.name);
        }
    }
    let mode = std::fs::metadata(cluster.nodes[0].dir.join("admin.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!cluster.nodes[1].dir.join("admin.token").exists(), "only the node that bootstraps writes it");
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn starts_print_what_an_operator_needs() {
    let mut cluster = Cluster::one().await;
    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].as_str().unwrap().to_owned();
    let bootstrap = cluster.nodes[0].stderr();
    assert!(bootstrap.contains(&anchor), "the anchor in {bootstrap}");
    let join_line = format!("--join {} --token SYM1.", cluster.nodes[0].listen);
    assert!(bootstrap.contains(&join_line), "a line to paste, {join_line:?}, in {bootstrap}");

    let printed = cluster.nodes[0].cli(&["token", "create", "--print-join-command"]).await.exits(0).out;
    assert!(printed.contains(&join_line), "{printed}");

    let seed = cluster.nodes[0].listen.to_string();
    let token = cluster.write("token", format!("{}\n", cluster.join_token));
    let ready = cluster.file("n2.ready");
    let mut second = cluster.newcomer();
    let ready_file = ready.to_str().unwrap();
    second.start(&["--join", &seed, "--token-file", &token, "--ready-file", ready_file]);
    eventually("the ready file", SOON, async || Ok(std::fs::metadata(&ready)?)).await;
    let lines = second.stderr();
    let phases: Vec<&str> = lines.lines().filter_map(|line| line.strip_prefix("join ")).collect();
    assert_eq!(phases.len(), 8, "{lines}");
    for (number, line) in phases.iter().enumerate() {
        assert!(line.starts_with(&format!("{}/8 ", number + 1)) && line.ends_with(" s)"), "{line}");
    }
    assert!(phases[7].contains("learner"), "of two members only one votes, and phase 8 says so: {lines}");
    cluster.nodes.push(second);
    assert_eq!(cluster.nodes[1].stop().await, 0, "SIGTERM ends a node in order");
    assert!(!ready.exists(), "a node that is gone is not ready");
}

#[tokio::test]
async fn nodes_join_while_others_write() {
    let mut cluster = Cluster::one().await;
    let before = ledger(&cluster).await;
    let writers = Writers::start(8, "ledger", &[cluster.nodes[0].client()]);
    writers.go_on(20).await;
    cluster.join().await;
    writers.go_on(20).await;
    cluster.join().await;
    cluster.nodes[2].sees_voters(3).await;
    writers.go_on(20).await;
    let written = writers.end().await;
    for at in 0..3 {
        written.is_there_once(&cluster.agent(at, "ledger").await.unwrap(), before);
    }
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_node_restarts_as_what_it_was_whatever_its_arguments_say() {
    let mut cluster = Cluster::three().await;
    let before = cluster.nodes[0].cli(&["node", "ls", "-o", "json"]).await.exits(0).json();
    let anchor = cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"].clone();
    for place in [1, 0, 2] {
        let node = &mut cluster.nodes[place];
        match place {
            2 => node.kill(),
            _ => assert_eq!(node.stop().await, 0),
        }
        node.start(&["--join", "127.0.0.1:1", "--token", "no token at all"]);
        node.ready().await;
        node.sees_voters(3).await;
    }
    let after = cluster.nodes[0].cli(&["node", "ls", "-o", "json"]).await.exits(0).json();
    let identity = |nodes: &Value| -> Vec<(Value, Value, Value)> {
        nodes
            .as_array()
            .into_iter()
            .flatten()
            .map(|n| (n["id"].clone(), n["name"].clone(), n["role"].clone()))
            .collect()
    };
    assert_eq!(identity(&after), identity(&before));
    assert_eq!(cluster.nodes[0].status().await.unwrap()["cluster"]["anchor"], anchor);
    cluster.nodes[1].still_works().await;
    cluster.chains_hold().await;
}
