//! What `cluster status` and readiness show, as golden JSON: scripts depend on the shape.

use crate::stage::Stage;
use expect_test::expect;
use std::time::Duration;

#[tokio::test]
async fn the_status_of_a_cluster_of_one() {
    let stage = Stage::new();
    let status = stage.get("/api/v1/cluster").await;
    let mut shown = status.body.clone();
    for hash in ["/cluster/anchor", "/audit/head"] {
        let hash = shown.pointer_mut(hash).unwrap();
        assert_eq!(hash.as_str().unwrap().len(), 64);
        *hash = "64 hex digits".into();
    }
    expect![[r#"
        {
          "cluster": {
            "id": "00000000-0000-0000-0000-0000000000c1",
            "name": "symbi",
            "anchor": "64 hex digits"
          },
          "leader": "n1",
          "term": 1,
          "commit_index": 1,
          "applied_index": 1,
          "age_ms": 0,
          "nodes": [
            {
              "name": "n1",
              "id": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
              "role": "voter",
              "state": "ready",
              "addr": "127.0.0.1:7400",
              "agents": 0,
              "memory_mb": 1000,
              "reserved_mb": 0
            }
          ],
          "policy_set": 1,
          "audit": {
            "records": 1,
            "head": "64 hex digits"
          }
        }
    "#]]
    .assert_eq(&format!("{shown:#}\n"));
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
    let ready = stage.get("/health/ready").await;
    assert_eq!(ready.error(), (503, "UNAVAILABLE"));
    assert_eq!(ready.says(), "no leader is known");
    assert_eq!(stage.get("/health/live").await.status, 200);
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
