//! Who may what: each route asked by a user of each starter group, and by tokens whose scope is less than their user may.

use crate::routes;
use crate::stage::{Answer, MESSAGE, Stage};
use axum::body::Body;
use axum::http::Request;
use expect_test::expect_file;
use serde_json::{Value, json};
use std::fmt::Write;
use symbi_api::auth::Listener;

/// What needs no token.
const PUBLIC: &[&str] = &["/health/live", "/health/ready", "/api/v1/health", "/.well-known/agent-identity.json"];
/// The users, those who may least first; each is in the group of the same name, if there is one.
const USERS: [&str; 5] = ["nobody", "viewer", "auditor", "operator", "chief"];
const SPEC: &str = r#"{"name": "a", "owner": "o", "program": {"command": ["true"], "env": {"K": "hidden"}}}"#;

/// A body that the route takes.
fn body(route: &str) -> String {
    match route {
        "POST /api/v1/agents" => SPEC.replace("\"a\"", "\"b\""),
        "PUT /api/v1/agents/{name}/spec" => SPEC.to_owned(),
        "PUT /api/v1/agents/{name}/annotations/{key}" => r#"{"value": "v"}"#.to_owned(),
        "POST /api/v1/agents/{name}/messages" => r#"{"kind": "tell", "payload": 1}"#.to_owned(),
        "POST /api/v1/users" => r#"{"name": "new"}"#.to_owned(),
        "POST /api/v1/api-tokens" => r#"{"user": "admin"}"#.to_owned(),
        "POST /api/v1/policies" => json!({ "text": symbi_policy::STARTER }).to_string(),
        "POST /api/v1/policies/test" => r#"{"case": []}"#.to_owned(),
        "POST /api/v1/upgrade/finalize" => r#"{"gate": 1}"#.to_owned(),
        "POST /api/v1/bench" | "POST /api/v1/bench/agents" => r#"{"bench": "write"}"#.to_owned(),
        _ => "{}".to_owned(),
    }
}

async fn ask(stage: &Stage, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {token}")).header("content-type", "application/json");
    stage.send(Listener::Tcp, request.body(Body::from(body.to_owned())).unwrap()).await
}

/// A new token of a user, for as long as tokens are good that nothing is said about: its id and its text.
async fn token(stage: &Stage, user: &str, scope: Value) -> (String, String) {
    make(stage, json!({ "user": user, "scope": scope })).await
}

/// The same, for ever.
async fn lasting(stage: &Stage, user: &str, scope: Value) -> (String, String) {
    make(stage, json!({ "user": user, "scope": scope, "ttl_ms": null })).await
}

async fn make(stage: &Stage, wanted: Value) -> (String, String) {
    let made = stage.post("/api/v1/api-tokens", &wanted.to_string()).await;
    assert_eq!(made.status, 200, "{}", made.says());
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// A cluster with an agent `a` that had another spec before, and the users in their groups.
async fn peopled() -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.post("/api/v1/agents", &SPEC.replace("true", "false")).await.status, 200);
    assert_eq!(stage.admin("PUT", "/api/v1/agents/a/spec", &[], SPEC).await.status, 200);
    let of = |user: &&str| {
        let group = if *user == "chief" { "admin" } else { *user };
        json!({ "uid": { "type": "User", "id": user }, "parents": [{ "type": "Group", "id": group }] })
    };
    let entities: Vec<Value> = USERS[1..].iter().map(of).collect();
    for user in USERS {
        assert_eq!(stage.post("/api/v1/users", &json!({ "name": user }).to_string()).await.status, 200);
    }
    let set = json!({ "text": symbi_policy::STARTER, "entities": Value::from(entities).to_string() });
    let applied = stage.post("/api/v1/policies", &set.to_string()).await;
    assert_eq!(applied.status, 200, "{}", applied.body);
    stage
}

/// Of messages only whether somebody may know to whom: whether they are allowed, the nodes judge that carry them.
#[tokio::test]
async fn each_route_is_judged_for_whoever_asks() {
    let mut table = String::new();
    for (method, path) in routes::all().into_iter().filter(|(_, path)| !PUBLIC.contains(&path.as_str())) {
        let stage = peopled().await;
        let spare = token(&stage, "nobody", json!(null)).await.0;
        let join = stage.post("/api/v1/tokens", "{}").await.body["id"].as_str().unwrap().to_owned();
        let (message, decision) = (MESSAGE.to_string(), "00000000-0199".to_owned());
        let ids = [("/api-tokens/", &spare), ("/tokens/", &join), ("/messages/", &message), ("/decisions/", &decision)];
        let id = ids.iter().find(|(part, _)| path.contains(part)).map_or("", |(_, id)| id);
        let names = [("/users/", "viewer"), ("/nodes/", "n1")];
        let name = names.iter().find(|(part, _)| path.contains(part)).map_or("a", |(_, name)| name);
        let target = path.replace("{name}", name).replace("{id}", id).replace("{key}", "k");
        let target = target.replace("{number}", "1").replace("{other}", "2");
        let route = format!("{method} {path}");
        let mut may = Vec::new();
        for user in USERS {
            let (_, shown) = token(&stage, user, json!(null)).await;
            let answer = ask(&stage, &shown, &method, &target, &body(&route)).await;
            assert_ne!(answer.error(), (400, "BAD_REQUEST"), "{route}: {}", answer.says());
            if answer.error() != (403, "DENIED") {
                may.push(user);
            }
        }
        writeln!(table, "{route:45}{}", may.join(" ")).unwrap();
    }
    expect_file!["judged.txt"].assert_eq(&table);
}

/// Who may not see the cluster cannot find out by refusals what there is in it, or what an id stands for.
#[tokio::test]
async fn who_may_not_see_the_cluster_is_told_nobodys_names() {
    let stage = peopled().await;
    let (spare, shown) = token(&stage, "nobody", json!(null)).await;
    let join = stage.post("/api/v1/tokens", "{}").await.body["id"].as_str().unwrap().to_owned();
    let id = stage.get("/api/v1/agents/a").await.body["id"].as_str().unwrap().to_owned();
    let of_agents = |method, rest| format!("{method} /api/v1/agents/{{name}}{rest}");
    let mut routes = vec![
        (of_agents("GET", ""), "a"),
        (of_agents("GET", "/status"), "a"),
        (of_agents("GET", "/logs"), "a"),
        (of_agents("GET", "/why"), "a"),
        (of_agents("DELETE", ""), "a"),
        (of_agents("POST", "/stop"), "a"),
        (of_agents("POST", "/start"), "a"),
        (of_agents("POST", "/restart"), "a"),
        (of_agents("POST", "/rollback"), "a"),
        (of_agents("POST", "/messages"), "a"),
        (of_agents("PUT", "/spec"), "a"),
        (of_agents("PUT", "/annotations/{key}"), "a"),
        ("DELETE /api/v1/nodes/{name}".to_owned(), "n1"),
        ("DELETE /api/v1/users/{name}".to_owned(), "viewer"),
        ("DELETE /api/v1/tokens/{name}".to_owned(), &join),
        ("DELETE /api/v1/api-tokens/{name}".to_owned(), &spare),
        ("POST /api/v1/policies/{name}/rollback".to_owned(), "1"),
        ("GET /api/v1/policies/{name}".to_owned(), "1"),
    ];
    let message = MESSAGE.to_string();
    routes.push(("GET /api/v1/messages/{name}".to_owned(), &message));
    routes.extend(routes.clone().into_iter().filter(|(_, name)| *name == "a").map(|(route, _)| (route, id.as_str())));
    for (route, there) in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let missing = if path.contains("policies") { "99" } else { "0199ffffffff" };
        let ask_of = async |name: &str| {
            let path = path.replace("{name}", name).replace("{key}", "k");
            ask(&stage, &shown, method, &path, &body(&route)).await
        };
        let (one, none) = (ask_of(there).await, ask_of(missing).await);
        assert_eq!(one.error(), (403, "DENIED"), "{route} of {there}: {}", one.says());
        assert_eq!((one.error(), one.says()), (none.error(), none.says()), "{route} of {there}");
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_when_the_token_is_revoked_gets_none() {
    let stage = peopled().await;
    let (id, shown) = token(&stage, "operator", json!(null)).await;
    let send = r#"{"kind": "ask", "payload": 1, "timeout_ms": 3600000}"#;
    let asked = ask(&stage, &shown, "POST", "/api/v1/agents/silent/messages", send);
    let revoked = async {
        stage.silent.notified().await;
        stage.admin("DELETE", &format!("/api/v1/api-tokens/{id}"), &[], "").await
    };
    let (answer, revoked) = tokio::join!(asked, revoked);
    assert_eq!(revoked.status, 200, "{}", revoked.says());
    assert_eq!(answer.error(), (401, "UNAUTHENTICATED"));
    assert!(answer.says().contains("before the answer to this request was complete"), "{}", answer.says());
}

#[tokio::test]
async fn who_may_see_the_cluster_only_sees_nothing_that_is_in_an_agent() {
    let stage = peopled().await;
    assert_eq!(
        stage.admin("PUT", "/api/v1/agents/a/annotations/note", &[], r#"{"value": "hidden"}"#).await.status,
        200
    );
    for (user, sees) in [("viewer", false), ("auditor", false), ("operator", true)] {
        let (_, shown) = token(&stage, user, json!(null)).await;
        let agent = ask(&stage, &shown, "GET", "/api/v1/agents/a", "").await;
        assert_eq!(agent.status, 200, "{user}");
        let text = agent.body.to_string();
        assert_eq!((text.contains("hidden"), agent.body["redacted"] == true), (sees, !sees), "{user}: {text}");
        let log = ask(&stage, &shown, "GET", "/api/v1/agents/a/logs", "").await;
        assert_eq!(log.status == 200, sees, "{user}: {}", log.body);
    }
}

#[tokio::test]
async fn a_token_is_good_for_what_its_scope_and_its_user_have_in_common() {
    let stage = peopled().await;
    let (_, stops) = token(&stage, "operator", json!(["agent::stop", "policy::apply"])).await;
    let refused = ask(&stage, &stops, "GET", "/api/v1/agents", "").await;
    assert_eq!(refused.error(), (403, "DENIED"));
    assert!(
        refused.says().contains("is for agent::stop policy::apply and not for cluster::read"),
        "{}",
        refused.says()
    );
    assert_eq!(ask(&stage, &stops, "POST", "/api/v1/agents/a/stop", "").await.status, 200);
    let set = json!({ "text": symbi_policy::STARTER }).to_string();
    let refused = ask(&stage, &stops, "POST", "/api/v1/policies", &set).await;
    assert_eq!(refused.error(), (403, "DENIED"), "a scope adds nothing to what its user may");

    let (_, makes) = token(&stage, "chief", json!(["administer"])).await;
    let more = ask(&stage, &makes, "POST", "/api/v1/api-tokens", r#"{"user": "chief"}"#).await;
    assert_eq!(more.error(), (403, "DENIED"), "no token makes one that is good for more");
    let less = ask(&stage, &makes, "POST", "/api/v1/api-tokens", r#"{"user": "chief", "scope": ["administer"]}"#).await;
    assert_eq!(less.status, 200, "{}", less.says());
    let wrong = stage.post("/api/v1/api-tokens", r#"{"user": "chief", "scope": ["agent::fly"]}"#).await;
    assert_eq!(wrong.error(), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_token_that_was_revoked_opens_nothing_and_a_user_goes_with_all_of_them() {
    let stage = peopled().await;
    let (id, first) = token(&stage, "viewer", json!(null)).await;
    let (_, second) = token(&stage, "viewer", json!(null)).await;
    assert_eq!(ask(&stage, &first, "GET", "/api/v1/nodes", "").await.status, 200);
    assert_eq!(stage.admin("DELETE", &format!("/api/v1/api-tokens/{id}"), &[], "").await.status, 200);
    assert_eq!(ask(&stage, &first, "GET", "/api/v1/nodes", "").await.error(), (401, "UNAUTHENTICATED"));
    assert_eq!(ask(&stage, &second, "GET", "/api/v1/nodes", "").await.status, 200);
    assert_eq!(stage.admin("DELETE", "/api/v1/users/viewer", &[], "").await.status, 200);
    assert_eq!(ask(&stage, &second, "GET", "/api/v1/nodes", "").await.error(), (401, "UNAUTHENTICATED"));
    assert_eq!(stage.admin("DELETE", &format!("/api/v1/api-tokens/{id}"), &[], "").await.error(), (404, "NOT_FOUND"));
}

/// Nobody but a user of a group may change the policies: that one stays, with the last token.
#[tokio::test]
async fn the_last_one_who_can_change_the_policies_is_not_removed() {
    let stage = peopled().await;
    let (_, ends) = token(&stage, "chief", json!(null)).await;
    let text = "permit (principal in Group::\"admin\", action, resource);";
    let entities = r#"[{"uid": {"type": "User", "id": "chief"}, "parents": [{"type": "Group", "id": "admin"}]}]"#;
    let set = json!({ "text": text, "entities": entities }).to_string();
    let refused = ask(&stage, &ends, "POST", "/api/v1/policies", &set).await;
    assert_eq!(refused.error(), (409, "LOCKOUT"), "whoever is left has no token that lasts: {}", refused.says());
    let (id, chiefs) = lasting(&stage, "chief", json!(null)).await;
    assert_eq!(ask(&stage, &chiefs, "POST", "/api/v1/policies", &set).await.status, 200);
    let first = format!("/api/v1/api-tokens/{id}");
    assert_eq!(stage.admin("DELETE", "/api/v1/users/viewer", &[], "").await.status, 200, "others may go");
    for path in ["/api/v1/users/chief", &first] {
        assert_eq!(stage.admin("DELETE", path, &[], "").await.error(), (409, "LOCKOUT"), "{path}");
    }
    let (_, _ends) = token(&stage, "chief", json!(["policy::apply"])).await;
    let left = stage.admin("DELETE", &first, &[], "").await;
    assert_eq!(left.error(), (409, "LOCKOUT"), "the one that is left will end");
    let (_, _spare) = lasting(&stage, "chief", json!(["policy::apply"])).await;
    assert_eq!(stage.admin("DELETE", &first, &[], "").await.status, 200);
}

#[tokio::test]
async fn users_and_tokens_are_listed_without_a_tokens_text() {
    let stage = peopled().await;
    let (id, text) = token(&stage, "viewer", json!(["cluster::read"])).await;
    let tokens = stage.get("/api/v1/api-tokens").await.body;
    assert!(!tokens.to_string().contains(&text));
    let line = tokens.as_array().unwrap().iter().find(|line| line["id"] == id.as_str()).unwrap();
    assert_eq!(
        (&line["user"], &line["scope"], &line["state"]),
        (&json!("viewer"), &json!(["cluster::read"]), &json!("valid"))
    );
    let users = stage.get("/api/v1/users").await.body;
    let chief = users.as_array().unwrap().iter().find(|line| line["name"] == "chief").unwrap();
    assert_eq!((&chief["groups"], &chief["tokens"]), (&json!(["admin"]), &json!(0)));
}
