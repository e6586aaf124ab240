//! Policy sets over HTTP: applied, tried, compared, taken back, tested; and writes that are judged again.

use crate::stage::Stage;
use axum::http::StatusCode;
use expect_test::{expect, expect_file};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use symbi_policy::STARTER;

const POLICIES: &str = "/api/v1/policies";

fn body(text: &str) -> String {
    json!({ "text": text }).to_string()
}

fn quiet() -> String {
    format!("{STARTER}\n@id(\"quiet\") forbid (principal, action == Action::\"agent::create\", resource);")
}

#[tokio::test]
async fn a_set_is_applied_listed_shown_compared_and_taken_back() {
    let stage = Stage::new();
    let applied = stage.post(POLICIES, &body(&quiet())).await;
    assert_eq!(applied.status, 200, "{}", applied.says());
    let (number, policies) = (&applied.body["number"], &applied.body["policies"]);
    assert_eq!((number, policies, &applied.body["dry_run"]), (&json!(2), &json!(7), &json!(false)));
    let shown = stage.get(POLICIES).await.body;
    assert_eq!((&shown["number"], &shown["text"], &shown["entities"]), (&json!(2), &json!(quiet()), &json!("[]")));
    assert_eq!((&shown["actor"], &shown["index"]), (&json!("user:admin"), &applied.body["index"]));

    let diff = stage.get("/api/v1/policies/1/diff/2").await.body;
    let line = "+@id(\"quiet\") forbid (principal, action == Action::\"agent::create\", resource);";
    assert_eq!(diff, json!({ "from": 1, "to": 2, "clauses": [{ "clause": "quiet", "lines": [line] }] }));
    assert_eq!(stage.get("/api/v1/policies/1/diff/9").await.error(), (404, "NOT_FOUND"));

    let back = stage.post("/api/v1/policies/1/rollback", "").await;
    assert_eq!(
        (&back.body["number"], &back.body["hash"]),
        (&json!(3), &stage.get("/api/v1/policies/1").await.body["hash"])
    );
    assert_eq!(stage.post("/api/v1/policies/9/rollback", "").await.error(), (404, "NOT_FOUND"));
    let listed = stage.get("/api/v1/policies/sets").await.body;
    let lines: Vec<(&Value, &Value)> =
        listed.as_array().unwrap().iter().map(|line| (&line["number"], &line["current"])).collect();
    assert_eq!(lines, [(&json!(3), &json!(true)), (&json!(2), &json!(false)), (&json!(1), &json!(false))]);
    assert_eq!(stage.get("/api/v1/policies/schema").await.body["schema"], symbi_policy::schema_text());
}

#[tokio::test]
async fn a_dry_run_does_all_but_the_write() {
    let stage = Stage::new();
    for path in ["/api/v1/policies?dry_run=true", "/api/v1/policies/1/rollback?dry_run=true"] {
        let tried = stage.post(path, &body(&quiet())).await.body;
        assert_eq!((&tried["dry_run"], &tried["number"], &tried["index"]), (&json!(true), &json!(null), &json!(null)));
    }
    let invalid = stage.post("/api/v1/policies?dry_run=true", &body("permit (")).await;
    assert_eq!(invalid.error(), (400, "POLICY_INVALID"));
    assert_eq!(stage.post("/api/v1/policies?dry_run=true", &body("")).await.error(), (409, "LOCKOUT"));
    assert_eq!(stage.writes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_set_has_its_place_and_nothing_is_proposed() {
    let stage = Stage::new();
    let text = format!("{STARTER}\npermit (principal is Usr, action, resource);");
    let wanted = json!({ "text": text, "entities": "[{\"uid\": {\"type\": \"Cluster\", \"id\": \"c\"}}]" }).to_string();
    let answer = stage.post(POLICIES, &wanted).await;
    assert_eq!(answer.error(), (400, "POLICY_INVALID"));
    let line = STARTER.lines().count() + 2;
    assert_eq!(answer.body["details"]["problems"][0]["line"], line);
    expect![[r#"
        [
          {
            "in": "policies",
            "line": 44,
            "column": 22,
            "message": "for policy `policy6`, unrecognized entity type `Usr` (did you mean `User`?)"
          },
          {
            "in": "entities",
            "line": 1,
            "column": 2,
            "message": "Cluster::\"c\" has a type that cannot be in groups: it takes Agent, Group, Node, User"
          }
        ]"#]]
    .assert_eq(&format!("{:#}", answer.body["details"]["problems"]));
    let deep = format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(200), ")".repeat(200));
    assert_eq!(stage.post(POLICIES, &body(&deep)).await.error(), (400, "POLICY_INVALID"));
    assert_eq!(stage.writes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_set_that_locks_its_author_out_is_refused() {
    let stage = Stage::new();
    let locked = stage.post(POLICIES, &body("permit (principal is Agent, action, resource);")).await;
    assert_eq!(locked.error(), (409, "LOCKOUT"));
    assert!(
        locked.says().starts_with("the new policies would lock you out: no policy of set 2 permits User::\"admin\"")
    );
    assert_eq!(stage.writes.load(Ordering::Relaxed), 0, "nothing was proposed");
}

#[tokio::test]
async fn a_denial_is_explained_by_what_came_nearest() {
    let stage = Stage::new();
    let only = "@id(\"apply\") permit (principal, action == Action::\"policy::apply\", resource);\n\
                @id(\"small\") permit (principal, action == Action::\"agent::create\", resource) when { context.memory_mb < 64 };";
    assert_eq!(stage.post(POLICIES, &body(only)).await.status, 200);
    let spec = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}, "resources": {"memory_mb": 65}}"#;
    let denied = stage.post("/api/v1/agents", spec).await;
    assert_eq!(denied.error(), (403, "DENIED"));
    let decision = denied.body["details"]["decision"].as_str().unwrap();
    let why = stage.get(&format!("/api/v1/decisions/{decision}")).await.body;
    expect_file!["golden/nearest.json"].assert_eq(&format!("{:#}\n", why["nearest"]));
}

#[tokio::test]
async fn cases_are_put_to_the_current_set() {
    let stage = Stage::new();
    let case = |expect: &str, by: &str| {
        json!({ "case": [{
            "name": "owners", "principal": { "agent": "a", "owner": "x" }, "action": "message::ask",
            "resource": { "agent": "b", "owner": "x" }, "expect": expect, "by": by,
        }] })
    };
    for (expect, by, passed) in [
        ("allow", "same-owner-may-message", 1),
        ("allow", "admin-may-do-everything", 0),
        ("deny", "same-owner-may-message", 0),
    ] {
        let report = stage.post("/api/v1/policies/test", &case(expect, by).to_string()).await.body;
        assert_eq!((&report["passed"], &report["failed"]), (&json!(passed), &json!(1 - passed)), "{report:#}");
        assert_eq!((&report["number"], &report["cases"][0]["verdict"]), (&json!(1), &json!("allow")));
    }
    let wrong = stage.post("/api/v1/policies/test", &case("maybe", "x").to_string()).await;
    assert_eq!((wrong.status, wrong.error().1), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_write_whose_policies_moved_is_judged_again_under_the_same_key() {
    let mut stage = Stage::new();
    // Between the judging of the next write and its apply another set becomes the current one.
    stage.policies_next.send(quiet()).unwrap();
    let spec = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#;
    let denied = stage.post("/api/v1/agents", spec).await;
    assert_eq!(denied.error(), (403, "DENIED"), "the new set forbids it");
    assert!(denied.says().contains("policy set 2 forbids"), "{}", denied.says());
    assert_eq!(stage.proposed.recv().await.unwrap().kind, "agent.create");
    assert!(stage.proposed.try_recv().is_err(), "what is denied is not proposed again");

    stage.policies_next.send(STARTER.to_owned()).unwrap();
    let token = stage.post("/api/v1/tokens", "{}").await;
    assert_eq!(token.status, 200, "{}", token.says());
    let (first, again) = (stage.proposed.recv().await.unwrap(), stage.proposed.recv().await.unwrap());
    assert_eq!((first.request, first.kind), (again.request, again.kind));
    assert!(again.deadline_ms <= first.deadline_ms);
}
