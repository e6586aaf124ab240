//! What `cluster status` and readiness show, as golden JSON: scripts depend on the shape.

use crate::stage::Stage;
use expect_test::expect;
use serde_json::{Value, json};
use std::time::Duration;
use symbi_api::ports::Said;
use symbi_model::NodeId;
use symbi_model::node::{Liveness, Node};
use symbi_proto::wire::{Usage, View};

const SECOND: NodeId = NodeId([2; 32]);
const THIRD: NodeId = NodeId([3; 32]);

/// A cluster of three voters, of which `n3` is down and `n2` was heard just now.
fn three() -> Stage {
    let stage = Stage::new();
    stage.state.send_modify(|state| {
        let first = state.nodes.values().next().unwrap().clone();
        state.nodes.insert(SECOND, Node { name: "n2".to_owned(), ..first.clone() });
        state.nodes.insert(THIRD, Node { name: "n3".to_owned(), liveness: Liveness::Down, ..first });
        *state = state.clone().recounted();
    });
    stage.view.send_modify(|view| {
        view.voters.extend([SECOND, THIRD]);
        view.heard.insert(SECOND, Duration::from_millis(40));
        view.round_trips.insert(SECOND, Duration::from_micros(420));
    });
    stage
}

fn names(nodes: &Value) -> Vec<&str> {
    nodes.as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_cluster_that_lost_a_node_says_so() {
    let stage = three();
    let status = stage.get("/api/v1/cluster").await.body;
    assert_eq!((&status["healthy"], &status["problems"]), (&json!(false), &json!(["n3 is down"])));
    assert_eq!(status["quorum"], json!({ "voters": 3, "heard": 2, "survives": 0 }));
    assert_eq!(status["nodes"][1]["round_trip_us"], 420);
    stage.view.send_modify(|view| view.heard.clear());
    let status = stage.get("/api/v1/cluster").await.body;
    assert_eq!(status["quorum"], json!({ "voters": 3, "heard": 1, "survives": null }));
    let problems = json!(["only 1 of 3 voters are heard, which is not a majority", "n2 is suspect", "n3 is down"]);
    assert_eq!(status["problems"], problems);
}

#[tokio::test]
async fn what_a_node_said_of_its_machine_shows_while_it_is_fresh() {
    let stage = three();
    let usage = Usage {
        memory_used_mb: 100,
        memory_total_mb: 1_000,
        cpu_used_millis: 50,
        cpu_total_millis: 4_000,
        disk_used_mb: 1,
        disk_total_mb: 2,
    };
    let view = View {
        node: SECOND,
        sequence: 1,
        wall_ms: 1,
        applied_index: 1,
        version: "0.1.7".to_owned(),
        agents: 0,
        usage,
        tiers: Default::default(),
    };
    for (age, fresh) in [(5_000, true), (5_001, false)] {
        let said = Said { view: view.clone(), age: Duration::from_millis(age) };
        stage.view.send_modify(|view| {
            view.said.insert(SECOND, said);
            view.refused.insert(SECOND, 3);
        });
        let nodes = stage.get("/api/v1/nodes").await.body;
        assert_eq!((&nodes[1]["version"], &nodes[1]["views_refused"]), (&json!("0.1.7"), &json!(3)));
        assert_eq!(nodes[1]["usage"]["memory_used_mb"].as_u64(), fresh.then_some(100), "{age} ms old");
        assert!(nodes[0]["usage"].is_null(), "it said nothing: {nodes:#}");
    }
}

#[tokio::test]
async fn a_node_that_is_down_is_removed_once_and_for_good() {
    let mut stage = three();
    let path = format!("/api/v1/nodes/{THIRD}");
    let removed = stage.admin("DELETE", "/api/v1/nodes/n3", &[], "").await;
    assert_eq!(removed.status, 200, "{removed:?}");
    assert_eq!(stage.proposed.try_recv().unwrap().kind, "node.remove");
    assert_eq!(names(&stage.get("/api/v1/nodes").await.body), ["n1", "n2"]);
    assert_eq!(stage.admin("DELETE", "/api/v1/nodes/n3", &[], "").await.error(), (404, "NOT_FOUND"));
    assert_eq!(stage.admin("DELETE", &path, &[], "").await.status, 200, "again, by its id, changes nothing");
}

#[tokio::test]
async fn a_node_that_is_up_or_needed_is_not_removed() {
    let mut stage = three();
    assert_eq!(stage.admin("DELETE", "/api/v1/nodes/n2", &[], "").await.error(), (409, "NODE_IN_USE"));
    assert_eq!(stage.admin("DELETE", "/api/v1/nodes/n9", &[], "").await.error(), (404, "NOT_FOUND"));
    for beginning in ["n", &THIRD.to_string()[..63], ""] {
        let path = format!("/api/v1/nodes/{beginning}");
        assert_eq!(stage.admin("DELETE", &path, &[], "").await.error(), (404, "NOT_FOUND"), "{beginning:?}");
    }
    let _ = stage.proposed.try_recv();
    stage.view.send_modify(|view| view.heard.clear());
    let refused = stage.admin("DELETE", "/api/v1/nodes/n3", &[], "").await;
    assert_eq!(refused.error(), (409, "QUORUM_AT_RISK"));
    assert!(refused.says().starts_with("without it only 1 of 2 voters would be heard"), "{refused:?}");
    assert!(stage.proposed.try_recv().is_err(), "nothing was proposed");
}

/// The status with words in place of the hashes, which differ from run to run.
fn without_hashes(mut status: serde_json::Value) -> serde_json::Value {
    for hash in ["/cluster/anchor", "/audit/head"] {
        let hash = status.pointer_mut(hash).unwrap();
        assert_eq!(hash.as_str().unwrap().len(), 64);
        *hash = "64 hex digits".into();
    }
    status
}

#[tokio::test]
async fn the_status_of_a_cluster_of_one() {
    let stage = Stage::new();
    let status = stage.get("/api/v1/cluster").await;
    expect![[r#"
        {
          "cluster": {
            "id": "00000000-0000-0000-0000-0000000000c1",
            "name": "symbi",
            "anchor": "64 hex digits",
            "pin": null
          },
          "leader": "n1",
          "term": 1,
          "commit_index": 1,
          "applied_index": 1,
          "age_ms": 0,
          "silence_ms": null,
          "nodes": [
            {
              "name": "n1",
              "id": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
              "role": "voter",
              "state": "ready",
              "addr": "127.0.0.1:7400",
              "agents": 0,
              "memory_mb": 1000,
              "reserved_mb": 0,
              "leader": true,
              "version": "0.2.0",
              "round_trip_us": null,
              "heard_ms": 0,
              "max_agents": 10000,
              "cpu_millis": 4000,
              "reserved_millis": 0,
              "labels": [],
              "sandbox": [
                "process"
              ],
              "usage": null,
              "views_refused": 0
            }
          ],
          "policy_set": 1,
          "audit": {
            "records": 1,
            "head": "64 hex digits",
            "missing": [],
            "witnessed": 0,
            "conflicts": 0
          },
          "healthy": true,
          "problems": [],
          "quorum": {
            "voters": 1,
            "heard": 1,
            "survives": 0
          },
          "node": "n1",
          "version": "0.2.0"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", without_hashes(status.body.clone())));
    let nodes = stage.get("/api/v1/nodes").await;
    assert_eq!(nodes.body, status.body["nodes"]);
}

#[tokio::test]
async fn a_node_without_a_leader_shows_none_and_is_not_ready() {
    let stage = Stage::new();
    stage.view.send_modify(|view| {
        view.leader = None;
        view.leader_heard = Some(Duration::from_millis(1500));
        view.not_ready = Some("no leader is known".to_owned());
    });
    let status = stage.get("/api/v1/cluster").await;
    assert_eq!((&status.body["leader"], &status.body["age_ms"]), (&serde_json::Value::Null, &1500.into()));
    for path in ["/health/ready", "/api/v1/health"] {
        let ready = stage.get(path).await;
        assert_eq!(ready.error(), (503, "UNAVAILABLE"), "{path}");
        assert_eq!(ready.says(), "no leader is known");
    }
    assert_eq!(stage.get("/health/live").await.status, 200);
    stage.view.send_modify(|view| view.not_ready = None);
    for path in ["/health/ready", "/api/v1/health"] {
        assert_eq!(stage.get(path).await.body, json!({ "status": "ready" }), "{path}");
    }
}

#[tokio::test]
async fn a_leader_that_is_silent_for_long_is_none() {
    let stage = Stage::new();
    for (age, leader) in [(4_999, Some("n1")), (5_000, None)] {
        stage.view.send_modify(|view| view.leader_heard = Some(Duration::from_millis(age)));
        assert_eq!(stage.get("/api/v1/cluster").await.body["leader"].as_str(), leader, "after {age} ms");
    }
}

#[tokio::test]
async fn the_policies_that_a_cluster_starts_with_are_set_1() {
    let stage = Stage::new();
    let set = stage.get("/api/v1/policies").await;
    assert_eq!((&set.body["number"], &set.body["current"]), (&1.into(), &true.into()));
    assert_eq!(set.body["text"], symbi_policy::STARTER);
    assert_eq!(stage.get("/api/v1/policies/1").await.body, set.body);
}
