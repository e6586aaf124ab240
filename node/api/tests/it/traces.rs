//! What is known of a message, asked for by its id or a beginning of it.

use crate::stage::{MESSAGE, Stage};
use serde_json::json;
use symbi_model::DecisionId;

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
        let ids = ["0199aaaa-0000-7000-8000-000000000001", "0199aaaa-0000-7000-8000-000000000002"];
        assert_eq!(several.body["details"], json!({ "candidates": ids, "more": false }));
    }
    for nonsense in ["%20", "x", "0199aaaa0000", "0199-aaaa", "0199aaaa-0000-7000-8000-0000000000011"] {
        let refused = stage.get(&format!("/api/v1/messages/{nonsense}")).await;
        assert_eq!(refused.error(), (400, "BAD_REQUEST"), "{nonsense}");
    }
}

#[tokio::test]
async fn a_decision_is_found_by_its_id_or_a_unique_beginning() {
    let stage = Stage::new();
    let denied = async || {
        let answer = stage.admin("GET", "/api/v1/audit/bundle", &[], "").await;
        assert_eq!(answer.error(), (403, "DENIED"));
        answer.body["details"]["decision"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        stage
            .post(
                "/api/v1/policies",
                r#"{"text": "permit (principal, action in [Action::\"policy::apply\", Action::\"cluster::read\"], resource);"}"#
            )
            .await
            .status,
        200
    );
    let id = denied().await;
    // The applying of the policies was decided in the same millisecond: the whole time is not enough.
    for (length, enough) in [(4, false), (9, false), (22, false), (44, true), (45, true)] {
        let found = stage.get(&format!("/api/v1/decisions/{}", id[..length].to_uppercase())).await;
        if enough {
            assert_eq!((&found.body["decision"], &found.body["worked_out"]), (&json!(id), &json!(null)), "{length}");
        } else {
            assert_eq!(found.error(), (400, "AMBIGUOUS"), "{length}: {}", found.body);
            let candidates = found.body["details"]["candidates"].as_array().unwrap();
            assert!(candidates.contains(&json!(id)), "{length}: {candidates:?}");
            assert!(candidates.iter().all(|id| id.as_str().unwrap().parse::<DecisionId>().is_ok()), "{candidates:?}");
            // The stage finds as many as it looks for.
            assert_eq!(found.body["details"]["more"], true, "{length}: {}", found.body);
            assert!(found.says().ends_with(", and there are more than are listed"), "{}", found.says());
        }
    }
    assert_eq!(stage.get(&format!("/api/v1/decisions/{}", &id[..3])).await.error(), (404, "NOT_FOUND"));
    assert_eq!(stage.get("/api/v1/decisions/00000000-0199").await.error(), (404, "NOT_FOUND"));
    let absent = stage.get("/api/v1/decisions/dededede-0199").await;
    assert_eq!(absent.error(), (503, "UNAVAILABLE"));
    assert!(absent.says().contains("n2"), "{}", absent.says());
    for nonsense in ["%20", "x", "1f0c9a2b0199", &format!("{id}0")] {
        assert_eq!(
            stage.get(&format!("/api/v1/decisions/{nonsense}")).await.error(),
            (400, "BAD_REQUEST"),
            "{nonsense}"
        );
    }
}
