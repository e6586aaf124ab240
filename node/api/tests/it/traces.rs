//! What is known of a message, asked for by its id or a beginning of it.

use crate::stage::{MESSAGE, Stage};
use serde_json::json;

#[tokio::test]
async fn a_message_is_found_by_its_id_or_a_unique_beginning() {
    let stage = Stage::new();
    for wanted in [MESSAGE.to_string(), MESSAGE.to_string()[..12].to_owned(), "00000000".to_owned()] {
        let found = stage.get(&format!("/api/v1/messages/{wanted}")).await;
        assert_eq!(found.status, 200, "{wanted}: {}", found.body);
        assert_eq!((&found.body["id"], &found.body["kind"]), (&json!(MESSAGE.to_string()), &json!("tell")));
        assert_eq!((&found.body["sender"], &found.body["receiver"]), (&json!("a"), &json!("b")));
        assert_eq!((&found.body["state"], &found.body["batch"]), (&json!("recorded"), &json!(0)));
    }
    let status = stage.get(&format!("/api/v1/messages/{MESSAGE}/status")).await;
    assert_eq!(status.body, json!({ "message_id": MESSAGE.to_string(), "status": "pending", "unreachable": [] }));
}

#[tokio::test]
async fn an_id_that_nobody_knows_or_that_only_an_absent_node_may_know() {
    let stage = Stage::new();
    let unknown = stage.get("/api/v1/messages/0198ffff-0000-7000-8000-000000000001").await;
    assert_eq!(unknown.error(), (404, "NOT_FOUND"));
    let absent = stage.get("/api/v1/messages/dead0000").await;
    assert_eq!(absent.error(), (503, "UNAVAILABLE"));
    assert!(absent.says().contains("n2"), "{}", absent.says());
}

#[tokio::test]
async fn a_beginning_that_fits_several_names_them() {
    let stage = Stage::new();
    for path in ["/api/v1/messages/0199AAAA", "/api/v1/messages/0199aaaa/status"] {
        let several = stage.get(path).await;
        assert_eq!(several.error(), (400, "AMBIGUOUS"), "{path}");
        let candidates = several.body["details"]["candidates"].as_array().map(Vec::len);
        assert_eq!(candidates, Some(2), "{}", several.body);
    }
    for nonsense in ["%20", "x", "0199aaaa-0000-7000-8000-0000000000011"] {
        let refused = stage.get(&format!("/api/v1/messages/{nonsense}")).await;
        assert_eq!(refused.error(), (400, "BAD_REQUEST"), "{nonsense}");
    }
}
