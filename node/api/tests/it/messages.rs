//! Messages from outside to an agent.

use crate::stage::{MESSAGE, Stage};
use serde_json::json;

const ECHO: &str = "/api/v1/agents/echo/messages";

#[tokio::test]
async fn an_ask_ends_in_one_of_five_ways() {
    let stage = Stage::new();
    let answer = stage.post(ECHO, r#"{"kind": "ask", "payload": {"n": [1, 2.5, "ä"]}}"#).await;
    let expected = json!({"message_id": MESSAGE.to_string(), "ending": "answer", "payload": {"n": [1, 2.5, "ä"]}});
    assert_eq!((answer.status.as_u16(), answer.body), (200, expected));
    let lost = stage.post("/api/v1/agents/nobody/messages", r#"{"kind": "ask", "payload": null}"#).await;
    let expected =
        json!({"message_id": MESSAGE.to_string(), "ending": "not_delivered", "reason": "there is no agent nobody"});
    assert_eq!((lost.status.as_u16(), lost.body), (200, expected));
}

#[tokio::test]
async fn a_message_goes_to_the_agent_that_is_named_and_no_other() {
    let stage = Stage::new();
    let spec = r#"{"name": "echo", "owner": "demo", "program": {"command": ["true"]}}"#;
    assert_eq!(stage.post("/api/v1/agents", spec).await.status, 200);
    let short = stage.post("/api/v1/agents/ech/messages", r#"{"kind": "ask", "payload": 1}"#).await;
    assert_eq!(
        (&short.body["ending"], &short.body["reason"]),
        (&json!("not_delivered"), &json!("there is no agent ech"))
    );
    let whole = stage.post(ECHO, r#"{"kind": "ask", "payload": 1}"#).await;
    assert_eq!(whole.body["ending"], "answer");
}

#[tokio::test]
async fn a_tell_has_a_status() {
    let stage = Stage::new();
    let told = stage.post(ECHO, r#"{"kind": "tell", "payload": 1}"#).await;
    assert_eq!(told.body, json!({"message_id": MESSAGE.to_string(), "status": "delivered"}));
}

#[tokio::test]
async fn a_user_who_has_its_share_on_the_way_is_told_to_wait() {
    let stage = Stage::new();
    let answer = stage.post("/api/v1/agents/crowded/messages", r#"{"kind": "ask", "payload": 1}"#).await;
    assert_eq!((answer.error(), answer.says()), ((429, "BUSY"), "that is its share"));
}

#[tokio::test]
async fn what_is_no_message() {
    let stage = Stage::new();
    for (body, says) in [
        (r#"{"kind": "shout", "payload": 1}"#, "kind: \"shout\"; it takes \"ask\" or \"tell\""),
        (r#"{"kind": "ask", "payload": 1, "timeout_ms": 0}"#, "timeout_ms: 1 to 3600000"),
        (r#"{"kind": "ask", "payload": 1, "from": "A b"}"#, "from: "),
        (r#"{"kind": "ask", "payload": 1, "timeout": 5}"#, "did you mean `timeout_ms`?"),
    ] {
        let answer = stage.post(ECHO, body).await;
        assert_eq!(answer.error(), (400, "BAD_REQUEST"), "{body}");
        assert!(answer.says().contains(says), "{}", answer.says());
    }
}

#[tokio::test]
async fn a_payload_of_two_mebibytes_and_one_just_too_long() {
    let stage = Stage::new();
    let of = |bytes: usize| format!(r#"{{"kind": "ask", "payload": "{}"}}"#, "x".repeat(bytes - 2));
    assert_eq!(stage.post(ECHO, &of(2 << 20)).await.error(), (413, "TOO_LARGE"));
    assert_eq!(stage.post(ECHO, &of((1 << 20) + 1)).await.error(), (413, "TOO_LARGE"));
    assert_eq!(stage.post(ECHO, &of(1 << 20)).await.body["ending"], "answer");
}
