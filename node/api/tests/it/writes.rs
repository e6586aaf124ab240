//! Writes: the caller's key, the deadline, and what the caller is told when there is no outcome.

use crate::stage::Stage;
use std::sync::atomic::Ordering;
use symbi_api::keys::uuid_v7;
use symbi_model::ProposeError;

const SPEC: &str = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#;
const NOTE: &str = "/api/v1/agents/a/annotations/k";

#[tokio::test]
async fn a_key_is_a_uuidv7_with_an_optional_number() {
    let stage = Stage::new();
    let v4 = "4e0c4a4e-2b5e-4d2e-9d0c-0e6f0f6f0f6f";
    for wrong in ["", "7", v4, &format!("{}:x", uuid_v7(1))] {
        let answer = stage.admin("POST", "/api/v1/agents", &[("idempotency-key", wrong)], SPEC).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{wrong:?}");
        assert!(answer.says().contains("is not a UUIDv7"), "{}", answer.says());
    }
    assert_eq!(stage.writes.load(Ordering::Relaxed), 0, "nothing was proposed");
}

#[tokio::test]
async fn the_same_key_writes_once() {
    let mut stage = Stage::new();
    stage.post("/api/v1/agents", SPEC).await;
    let first = stage.proposed.recv().await.unwrap();
    assert!(first.request.is_some(), "a write without a key gets one of the node's");
    let key = format!("{}:3", uuid_v7(crate::stage::NOW_MS));
    for _ in 0..2 {
        let noted = stage.admin("PUT", NOTE, &[("idempotency-key", &key)], r#"{"value": "v"}"#).await;
        assert_eq!(noted.status, 200, "{}", noted.says());
        let proposed = stage.proposed.recv().await.unwrap();
        let request = proposed.request.unwrap();
        assert_eq!(
            (format!("{}:{}", request.client, request.sequence), proposed.kind),
            (key.clone(), "agent.annotate")
        );
    }
    assert_eq!(stage.get("/api/v1/agents/a").await.body["version"], 2, "made, and noted once");
}

#[tokio::test]
async fn a_deadline_goes_with_the_write_and_has_bounds() {
    let mut stage = Stage::new();
    stage.admin("POST", "/api/v1/agents", &[("symbi-timeout-ms", "1500")], SPEC).await;
    assert_eq!(stage.proposed.recv().await.unwrap().deadline_ms, 1500);
    stage.admin("PUT", NOTE, &[], r#"{"value": "v"}"#).await;
    assert_eq!(stage.proposed.recv().await.unwrap().deadline_ms, 60_000);
    for wrong in ["0", "60001", "soon"] {
        let answer = stage.admin("PUT", NOTE, &[("symbi-timeout-ms", wrong)], r#"{"value": "v"}"#).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{wrong}");
    }
}

#[tokio::test]
async fn a_write_without_an_outcome_says_what_is_known() {
    let stage = Stage::new();
    for (error, told) in [
        (ProposeError::NoLeader, (503, "NO_LEADER")),
        (ProposeError::Unknown, (504, "OUTCOME_UNKNOWN")),
        (ProposeError::ClockSkew { detail: "900 ms".to_owned() }, (503, "CLOCK_SKEW")),
        (ProposeError::TooLarge { bytes: 1 << 30 }, (413, "TOO_LARGE")),
        (ProposeError::GateClosed { gate: 2 }, (409, "GATE_CLOSED")),
        (ProposeError::Full, (429, "BUSY")),
        (ProposeError::Stopping, (503, "STOPPING")),
    ] {
        stage.refuse_next.send(error).unwrap();
        assert_eq!(stage.post("/api/v1/agents", SPEC).await.error(), told);
    }
}

#[tokio::test]
async fn what_the_state_refuses_has_the_refusals_code() {
    let stage = Stage::new();
    let answer = stage.admin("PUT", NOTE, &[], r#"{"value": "v"}"#).await;
    assert_eq!(answer.error(), (404, "NOT_FOUND"), "there is no agent a");
    stage.post("/api/v1/agents", SPEC).await;
    let long = format!(r#"{{"value": "{}"}}"#, "v".repeat(4097));
    assert_eq!(stage.admin("PUT", NOTE, &[], &long).await.says(), "value: at most 4096 bytes");
    let longest = format!(r#"{{"value": "{}"}}"#, "v".repeat(4096));
    assert_eq!(stage.admin("PUT", NOTE, &[], &longest).await.status, 200);
    let key = format!("/api/v1/agents/a/annotations/{}", "k".repeat(64));
    assert_eq!(stage.admin("PUT", &key, &[], r#"{"value": "v"}"#).await.status, 400);
}

#[tokio::test]
async fn join_tokens_are_shown_once_and_can_be_revoked() {
    let stage = Stage::new();
    let made = stage.post("/api/v1/tokens", r#"{"uses": 2}"#).await;
    let token = made.body["token"].as_str().unwrap();
    assert!(token.starts_with("SYM1.symbi."), "{token}");
    assert_eq!(made.body["join_command"], format!("symbi-node --join 127.0.0.1:7400 --token {token} --data-dir DIR"));
    let secret = token.split('.').nth(4).unwrap();
    let listed = stage.get("/api/v1/tokens").await;
    assert!(!String::from_utf8_lossy(&listed.bytes).contains(secret));
    assert_eq!((&listed.body[0]["state"], &listed.body[0]["uses"]), (&"valid".into(), &2.into()));
    let id = listed.body[0]["id"].as_str().unwrap();
    let beginning = stage.admin("DELETE", &format!("/api/v1/tokens/{}", &id[..11]), &[], "").await;
    assert_eq!(beginning.error(), (404, "NOT_FOUND"), "a token is revoked by its whole id");
    assert_eq!(stage.admin("DELETE", &format!("/api/v1/tokens/{id}"), &[], "").await.status, 200);
    assert_eq!(stage.get("/api/v1/tokens").await.body[0]["state"], "revoked");
}

#[tokio::test]
async fn a_repeated_create_answers_with_the_first_ones_id() {
    let stage = Stage::new();
    let key = uuid_v7(crate::stage::NOW_MS).to_string();
    let key = [("idempotency-key", key.as_str())];
    let first = stage.admin("POST", "/api/v1/agents", &key, SPEC).await;
    let again = stage.admin("POST", "/api/v1/agents", &key, SPEC).await;
    assert_eq!((first.status.as_u16(), &first.body["id"]), (200, &again.body["id"]), "{}", again.says());
}

#[tokio::test]
async fn a_join_token_takes_no_key() {
    let stage = Stage::new();
    let key = [("idempotency-key", "01a1fc91-284f-7000-8000-000000000001")];
    assert_eq!(stage.admin("POST", "/api/v1/tokens", &key, "{}").await.error(), (400, "BAD_REQUEST"));
}
