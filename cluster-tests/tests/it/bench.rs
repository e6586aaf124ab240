//! The bench against a running cluster: what it counts, what it refuses, and that it leaves nothing behind. Never how fast.

use anyhow::ensure;
use serde_json::{Value, json};
use std::time::Instant;
use symbi_cluster_tests::{Cluster, SOON, eventually};

/// What every run is asked for: few clients for a second.
const SHORT: [&str; 6] = ["--clients", "4", "--seconds", "1", "-o", "json"];

async fn bench(cluster: &Cluster, words: &[&str]) -> Value {
    cluster.nodes[0].cli(&[words, &SHORT].concat()).await.exits(0).json()
}

/// Figures that were taken: something was done, nothing failed, and times are in their order.
fn assert_figures(line: &Value) {
    let number = |key: &str| line[key].as_f64().unwrap_or_else(|| panic!("no {key}: {line:#}"));
    assert!(number("operations") > 0.0 && number("rate") > 0.0 && number("seconds") > 0.0, "{line:#}");
    assert!(number("p50_us") <= number("p99_us") && number("p99_us") <= number("max_us"), "{line:#}");
    assert_eq!(line["errors"], json!({}), "{line:#}");
}

/// Waits until no agent of a run is recorded any more.
async fn nothing_is_left(cluster: &Cluster) {
    eventually("no agent of a run is left", SOON, async || {
        let agents = cluster.nodes[1].cli(&["agent", "ls", "-o", "json"]).await.exits(0).json();
        ensure!(agents == json!([]), "{agents:#}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn each_verb_measures_from_inside_the_node_and_over_http() {
    let cluster = Cluster::three().await;
    for verb in [["bench", "write"], ["bench", "ask"], ["bench", "tell"], ["bench", "policy"], ["bench", "place"]] {
        let report = bench(&cluster, &verb).await;
        assert_eq!((&report["bench"], &report["path"]), (&json!(verb[1]), &json!("native")));
        assert_eq!(report["clients"], 4);
        assert_figures(&report);
        nothing_is_left(&cluster).await;
    }
    for verb in ["write", "ask", "tell", "place"] {
        let report = bench(&cluster, &["bench", verb, "--http"]).await;
        assert_eq!((&report["bench"], &report["path"]), (&json!(verb), &json!("http")));
        assert_figures(&report);
        nothing_is_left(&cluster).await;
    }
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_run_and_its_agents_are_asked_for_over_http() {
    let cluster = Cluster::three().await;
    let node = &cluster.nodes[0];
    let run = |bench: &str| json!({ "bench": bench, "clients": 2, "seconds": 1 });
    let report = node.post("/api/v1/bench", &run("policy")).await.unwrap();
    assert_eq!(
        (&report["bench"], &report["clients"], &report["path"]),
        (&json!("policy"), &json!(2), &json!("native"))
    );
    assert_figures(&report);
    let hired = node.post("/api/v1/bench/agents", &run("ask")).await.unwrap();
    for side in ["from", "to"] {
        let name = hired[side][0].as_str().unwrap_or_else(|| panic!("nobody is {side}: {hired}"));
        assert_eq!(cluster.agent(1, name).await.unwrap()["state"], "running", "{name}");
    }
    node.client().send(hyper::Method::DELETE, "/api/v1/bench/agents", None, &[]).await.unwrap();
    nothing_is_left(&cluster).await;
}

#[tokio::test]
async fn a_hundred_sessions_and_the_layers_one_by_one() {
    let cluster = Cluster::three().await;
    for verb in ["ask", "tell"] {
        let report = bench(&cluster, &["bench", verb, "--sessions", "100"]).await;
        assert_eq!(report["sessions"], 100);
        assert_figures(&report);
    }
    let report = bench(&cluster, &["bench", "tell", "--layers", "+ledger"]).await;
    let layers: Vec<&str> =
        report["layers"].as_array().unwrap().iter().filter_map(|line| line["layer"].as_str()).collect();
    assert_eq!(layers, ["bare", "+seal", "+sign", "+gate", "+ledger"]);
    report["layers"].as_array().unwrap().iter().for_each(assert_figures);
    assert_eq!(report["path"], "layers");
    let report = bench(&cluster, &["bench", "tell", "--layers", "+seal"]).await;
    assert_eq!(report["layers"].as_array().map(Vec::len), Some(2), "{report:#}");
    nothing_is_left(&cluster).await;
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_and_only_one_run_is_on() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    for verb in ["ask", "tell"] {
        let _ = node.cli(&["bench", verb, "--seconds", "1"]).await.exits(5).says("this one is alone");
    }
    for words in [
        &["bench", "write", "--clients", "0"][..],
        &["bench", "write", "--clients", "1025"],
        &["bench", "write", "--seconds", "301"],
        &["bench", "ask", "--sessions", "7"],
        &["bench", "tell", "--layers", "none"],
        &["bench", "tell", "--layers", "bare", "--http"],
        &["bench", "write", "--clients", "300", "--http"],
        &["bench", "policy", "--http"],
    ] {
        let _ = node.cli(words).await.exits(2).says("error[USAGE]");
    }
    let began = Instant::now();
    let (long, refused) = tokio::join!(node.cli(&["bench", "write", "--clients", "1", "--seconds", "8"]), async {
        eventually("the long run is on", SOON, async || {
            let ran = node.cli(&["agent", "ls", "-o", "json"]).await.exits(0);
            ensure!(ran.out.contains("bench-"), "its agents are not there yet");
            Ok(())
        })
        .await;
        node.cli(&["bench", "policy", "--clients", "1", "--seconds", "1"]).await
    });
    let _ = long.exits(0);
    assert!((8..16).contains(&began.elapsed().as_secs()), "a run of 8 s took {:?}", began.elapsed());
    let _ = refused.exits(1).says("error[BUSY]");
}

#[tokio::test]
async fn only_its_owner_has_the_echo() {
    let cluster = Cluster::one().await;
    let spec = |owner: &str| {
        format!(
            "name = \"echo-{owner}\"\nowner = \"{owner}\"\n[program]\ncommand = [\"builtin:echo\"]\n[restart]\npolicy = \"never\"\n"
        )
    };
    let node = &cluster.nodes[0];
    for (owner, code) in [("bench", 0), ("demo", 1)] {
        let file = cluster.write(&format!("{owner}.toml"), spec(owner));
        let ran = node.cli(&["agent", "run", &file, "--wait", "--timeout", "30s"]).await;
        let _ = ran.exits(code);
    }
    let answer = node.cli(&["agent", "ask", "echo-bench", r#"{"as": ["it", 1]}"#]).await.exits(0).json();
    assert_eq!(answer, json!({ "as": ["it", 1] }));
    let why = node.cli(&["agent", "show", "echo-demo", "-o", "json"]).await.exits(0).json();
    assert!(why["detail"].as_str().unwrap().contains("only for the owner \"bench\""), "{why:#}");
}
