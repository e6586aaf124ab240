//! Agents that are there are changed, taken back and started anew, each as of the version that was looked at.

use crate::stage::Stage;
use serde_json::{Value, json};

const SPEC: &str = r#"{"name": "a", "owner": "demo", "program": {"command": ["true"], "env": {"KEY": "secret"}}}"#;

/// What is shown of the agent: its version, what is wanted of it, and its memory.
async fn shown(stage: &Stage) -> (Value, Value, Value) {
    let body = stage.get("/api/v1/agents/a").await.body;
    (body["version"].clone(), body["desired"].clone(), body["spec"]["resources"]["memory_mb"].clone())
}

#[tokio::test]
async fn an_agent_is_changed_taken_back_stopped_and_started_anew() {
    let stage = Stage::new();
    assert_eq!(stage.post("/api/v1/agents", SPEC).await.status, 200);
    let nothing = stage.post("/api/v1/agents/a/rollback", "").await;
    assert_eq!(nothing.error(), (409, "NO_PREVIOUS"), "{}", nothing.says());
    let larger = SPEC.replace("secret", "other").replace("}}}", "}}, \"resources\": {\"memory_mb\": 256}}");

    let would = stage.admin("PUT", "/api/v1/agents/a/spec?dry_run=true", &[], &larger).await;
    let changes = json!([
        { "field": "program.env.KEY", "from": "***", "to": "***" },
        { "field": "resources.memory_mb", "from": 128, "to": 256 },
    ]);
    assert_eq!((&would.body["changes"], &would.body["written"]), (&changes, &json!(false)), "{}", would.says());
    assert_eq!(shown(&stage).await, (json!(1), json!("running"), json!(128)));
    let done = stage.admin("PUT", "/api/v1/agents/a/spec?version=1", &[], &larger).await;
    assert_eq!((&done.body["changes"], &done.body["written"]), (&changes, &json!(true)), "{}", done.says());
    assert_eq!(shown(&stage).await, (json!(2), json!("running"), json!(256)));
    let late = stage.admin("PUT", "/api/v1/agents/a/spec?version=1", &[], SPEC).await;
    assert_eq!(late.error(), (409, "VERSION_MOVED"), "{}", late.says());
    let again = stage.admin("PUT", "/api/v1/agents/a/spec?version=1", &[], &larger).await;
    assert_eq!(again.body["written"], json!(false), "one that is sent again finds it done: {}", again.says());

    assert_eq!(stage.post("/api/v1/agents/a/rollback?version=2", "").await.status, 200);
    assert_eq!(shown(&stage).await, (json!(3), json!("running"), json!(128)));
    assert_eq!(stage.post("/api/v1/agents/a/restart", "").await.status, 200);
    assert_eq!(stage.post("/api/v1/agents/a/stop", "").await.status, 200);
    let unwanted = stage.post("/api/v1/agents/a/restart", "").await;
    assert_eq!(unwanted.error(), (409, "NOT_WANTED"), "{}", unwanted.says());
    let started = stage.post("/api/v1/agents/a/start?version=4", "").await;
    assert_eq!(started.error(), (409, "VERSION_MOVED"), "{}", started.says());
    assert_eq!(stage.post("/api/v1/agents/a/start?version=5", "").await.status, 200);
    assert_eq!(shown(&stage).await, (json!(6), json!("running"), json!(128)));
}

#[tokio::test]
async fn name_and_owner_stay_and_an_unknown_field_is_refused() {
    let stage = Stage::new();
    assert_eq!(stage.post("/api/v1/agents", SPEC).await.status, 200);
    for other in [SPEC.replace("demo", "mallory"), SPEC.replace("\"a\"", "\"b\"")] {
        let refused = stage.admin("PUT", "/api/v1/agents/a/spec", &[], &other).await;
        assert_eq!(refused.error(), (409, "FIXED"), "{}", refused.says());
    }
    let unknown = SPEC.replace("\"owner\"", "\"colour\": 1, \"owner\"");
    assert_eq!(stage.admin("PUT", "/api/v1/agents/a/spec", &[], &unknown).await.status, 400);
    assert_eq!(stage.admin("PUT", "/api/v1/agents/nobody/spec", &[], SPEC).await.error(), (404, "NOT_FOUND"));
    assert_eq!(shown(&stage).await, (json!(1), json!("running"), json!(128)));
}
