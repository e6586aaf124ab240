//! Agents from record to removal, and reads at an index.

use crate::stage::Stage;
use expect_test::expect;

const SPEC: &str = r#"{"name": "reviewer-1", "owner": "demo", "program": {"command": ["true"]}}"#;

#[tokio::test]
async fn an_agent_is_recorded_shown_noted_stopped_and_removed() {
    let stage = Stage::new();
    let created = stage.post("/api/v1/agents", SPEC).await;
    assert_eq!((created.status.as_u16(), &created.body["name"]), (200, &"reviewer-1".into()), "{}", created.says());
    let noted = stage.admin("PUT", "/api/v1/agents/reviewer-1/annotations/ticket", &[], r#"{"value": "OPS-7"}"#).await;
    assert_eq!(noted.status, 200, "{}", noted.says());
    let at = &noted.body["index"];
    let mut shown = stage.get(&format!("/api/v1/agents/reviewer-1?at={at}")).await;
    assert_eq!(shown.body["id"], created.body["id"]);
    assert_eq!(stage.get("/api/v1/agents/reviewer-1/status").await.body, shown.body);
    shown.body["id"] = "an id".into();
    expect![[r#"
        {
          "name": "reviewer-1",
          "id": "an id",
          "state": "created",
          "node": null,
          "epoch": null,
          "desired": "running",
          "spec": {
            "name": "reviewer-1",
            "owner": "demo",
            "program": {
              "command": [
                "true"
              ],
              "env": {},
              "max_in_flight": 1
            },
            "messages": {
              "answer_within_ms": 60000
            },
            "resources": {
              "memory_mb": 128,
              "cpu_millis": 100
            },
            "placement": {
              "tier": "process",
              "require": [],
              "strategy": "spread",
              "priority": 0
            },
            "restart": {
              "policy": "on-failure"
            },
            "labels": []
          },
          "spec_version": 1,
          "spec_hash": "573f266a16b47f5d8dcb9492944394fa0d2dfdfeca84a0946ee6ed0816f4f8f5",
          "previous_spec_hash": null,
          "incarnation": null,
          "restarts": 0,
          "detail": "",
          "exit": null,
          "annotations": {
            "ticket": "OPS-7"
          },
          "version": 2,
          "limits": "tier process: memory_mb limits the process's data; cpu_millis is a reservation only"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", shown.body));
    assert_eq!(stage.post("/api/v1/agents/reviewer-1/stop", "").await.status, 200);
    assert_eq!(stage.get("/api/v1/agents/reviewer-1").await.body["desired"], "stopped");
    assert_eq!(stage.admin("DELETE", "/api/v1/agents/reviewer-1", &[], "").await.status, 200);
    assert_eq!(stage.get("/api/v1/agents/reviewer-1").await.error(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_name_that_is_taken() {
    let stage = Stage::new();
    stage.post("/api/v1/agents", SPEC).await;
    let again = stage.post("/api/v1/agents", SPEC).await;
    assert_eq!(again.error(), (409, "NAME_TAKEN"), "{}", again.says());
}

/// The names of those that are listed.
async fn listed(stage: &Stage, query: &str) -> Vec<String> {
    let body = stage.get(&format!("/api/v1/agents{query}")).await.body;
    body.as_array().unwrap().iter().map(|agent| agent["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_removal_that_is_sent_again_removes_no_other() {
    let mut stage = Stage::new();
    let created = stage.post("/api/v1/agents", &SPEC.replace("reviewer-1", "worker-1")).await;
    let other = stage.post("/api/v1/agents", &SPEC.replace("reviewer-1", "worker-10")).await;
    while stage.proposed.try_recv().is_ok() {}
    assert_eq!(stage.admin("DELETE", "/api/v1/agents/worker-1", &[], "").await.status, 200);
    assert_eq!(stage.proposed.try_recv().unwrap().kind, "agent.remove");
    let (gone, id) = (created.body["id"].as_str().unwrap(), other.body["id"].as_str().unwrap());
    for wanted in ["worker-1", "worker", gone, &id[..35], ""] {
        for (method, below, body) in [
            ("DELETE", "", ""),
            ("POST", "/stop", ""),
            ("POST", "/start", ""),
            ("POST", "/restart", ""),
            ("POST", "/rollback", ""),
            ("PUT", "/spec", SPEC),
            ("PUT", "/annotations/k", r#"{"value": "v"}"#),
            ("GET", "", ""),
            ("GET", "/status", ""),
            ("GET", "/logs", ""),
            ("GET", "/why", ""),
        ] {
            let answer = stage.admin(method, &format!("/api/v1/agents/{wanted}{below}"), &[], body).await;
            assert_eq!(answer.error(), (404, "NOT_FOUND"), "{method} {wanted}{below}");
        }
    }
    assert!(stage.proposed.try_recv().is_err(), "nothing more was proposed");
    assert_eq!(listed(&stage, "").await, ["worker-10"]);
    assert_eq!(stage.admin("DELETE", &format!("/api/v1/agents/{id}"), &[], "").await.status, 200, "by its whole id");
}

#[tokio::test]
async fn agents_are_listed_by_what_their_names_or_ids_begin_with() {
    let stage = Stage::new();
    let one = stage.post("/api/v1/agents", SPEC).await.body;
    stage.post("/api/v1/agents", &SPEC.replace("reviewer-1", "reviewer-10")).await;
    stage.post("/api/v1/agents", &SPEC.replace("reviewer-1", "worker")).await;
    assert_eq!(listed(&stage, "").await, ["reviewer-1", "reviewer-10", "worker"]);
    assert_eq!(listed(&stage, "?prefix=rev").await, ["reviewer-1", "reviewer-10"]);
    assert_eq!(listed(&stage, "?prefix=reviewer-10&consistency=local").await, ["reviewer-10"]);
    assert_eq!(listed(&stage, "?prefix=x").await, [""; 0]);
    let id = one["id"].as_str().unwrap();
    assert_eq!(listed(&stage, &format!("?prefix={id}")).await, ["reviewer-1"]);
    assert_eq!(listed(&stage, &format!("?prefix={}", &id[..3])).await, [""; 0], "too little of an id is none");
}

#[tokio::test]
async fn so_many_lines_of_a_log_are_asked_for_and_no_more_than_a_thousand() {
    let stage = Stage::new();
    stage.post("/api/v1/agents", SPEC).await;
    for (query, lines) in [("", 100), ("?lines=7", 7), ("?lines=1000", 1_000), ("?lines=5000", 1_000)] {
        let logs = stage.get(&format!("/api/v1/agents/reviewer-1/logs{query}")).await;
        assert_eq!(logs.body["lines"], serde_json::json!([format!("{lines} lines were asked for")]), "{query}");
    }
    assert_eq!(stage.get("/api/v1/agents/nobody/logs").await.error(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn why_an_agent_is_nowhere() {
    let stage = Stage::new();
    stage.post("/api/v1/agents", SPEC).await;
    let why = stage.get("/api/v1/agents/reviewer-1/why").await;
    expect![[r#"
        {
          "agent": "reviewer-1",
          "node": null,
          "epoch": null,
          "state": "created",
          "detail": "",
          "why": "nothing speaks for it",
          "nodes": [
            {
              "node": "n1",
              "reason": "has room"
            }
          ]
        }
    "#]]
    .assert_eq(&format!("{:#}\n", why.body));
}

#[tokio::test(start_paused = true)]
async fn a_read_at_an_index_that_does_not_come_ends() {
    let stage = Stage::new();
    assert_eq!(stage.get("/api/v1/agents?at=1").await.status, 200);
    assert_eq!(stage.get("/api/v1/agents?consistency=local").await.status, 200);
    assert_eq!(stage.get("/api/v1/agents?at=99").await.error(), (504, "DEADLINE"));
    let since = tokio::time::Instant::now();
    let (late, ()) = tokio::join!(stage.get("/api/v1/agents?at=2"), async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        stage.state.send_modify(|state| state.counters.applied_index = 2);
    });
    assert_eq!((late.status.as_u16(), since.elapsed().as_secs()), (200, 3), "it is answered once the index is there");
}
