//! Users and API tokens over real nodes: refused everywhere soon after they are revoked, rotated, and what an auditor sees.

use anyhow::ensure;
use hyper::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use symbi_api::client::{Client, Error};
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};

/// The interface of a node, for whoever has this token.
fn bearer(node: &Node, token: &str) -> Client {
    Client { token: Some(token.to_owned()), ..node.client() }
}

fn code(error: &Error) -> &str {
    match error {
        Error::Refused { code, .. } => code,
        _ => "not refused",
    }
}

/// The id and the text of a new token that the command line makes.
async fn token(node: &Node, words: &[&str]) -> (String, String) {
    let made = node.cli(&[&["api-token", "create"], words, &["-o", "json"]].concat()).await.exits(0).json();
    (made["id"].as_str().expect("an id").to_owned(), made["token"].as_str().expect("a text").to_owned())
}

#[tokio::test]
async fn a_revoked_token_is_refused_on_every_node_within_a_second() {
    let cluster = Cluster::three().await;
    let node = &cluster.nodes[0];
    let _ = node.cli(&["user", "add", "bob"]).await.exits(0);
    let _ = node.cli(&["user", "add", "bob"]).await.exits(1).says("NAME_TAKEN");
    let (id, text) = token(node, &["bob", "--action", "administer", "--action", "cluster::read", "--ttl", "1h"]).await;
    let entities =
        json!([{ "uid": { "type": "User", "id": "bob" }, "parents": [{ "type": "Group", "id": "viewer" }] }]);
    let set = node.get("/api/v1/policies").await.expect("the policies");
    let body = json!({ "text": set["text"], "entities": entities.to_string() });
    let index = node.post("/api/v1/policies", &body).await.expect("valid policies")["index"].clone();
    for node in &cluster.nodes {
        node.get(&format!("/api/v1/policies?at={index}")).await.expect("a node that keeps up");
        bearer(node, &text).get("/api/v1/nodes").await.expect("a viewer sees the nodes");
    }
    let listed = node.cli(&["api-token", "ls", "-o", "json"]).await.exits(0).json();
    assert!(listed.to_string().contains(&id) && !listed.to_string().contains(&text), "{listed}");
    let _ = node.cli(&["api-token", "revoke", &id]).await.exits(0);
    let committed = Instant::now();
    for node in &cluster.nodes {
        loop {
            match bearer(node, &text).get("/api/v1/nodes").await {
                // It went between the look at who asks and the judgement of what is asked.
                Err(error) if code(&error) == "DENIED" => (),
                Err(error) => break assert_eq!(code(&error), "UNAUTHENTICATED", "{}: {error}", node.name),
                Ok(_) => assert!(committed.elapsed() < Duration::from_secs(1), "{} still takes it", node.name),
            }
        }
    }
    let users = node.cli(&["user", "ls", "-o", "json"]).await.exits(0).json();
    assert!(users.as_array().expect("users").iter().any(|user| user["name"] == "bob" && user["groups"][0] == "viewer"));
    let _ = node.cli(&["user", "rm", "bob"]).await.exits(0);
    let _ = node.cli(&["user", "rm", "bob"]).await.exits(3).says("NOT_FOUND");
    cluster.chains_hold().await;
}

#[tokio::test]
async fn the_admins_token_is_rotated_and_whoever_could_be_locked_out_is_not() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let tokens = node.get("/api/v1/api-tokens").await.expect("tokens");
    let first = tokens[0]["id"].as_str().expect("an id").to_owned();
    let _ = node.cli(&["user", "add", "chief"]).await.exits(0);
    let (id, chiefs) = token(node, &["chief", "--ttl", "forever"]).await;
    // Only whoever is in a group may change the policies now.
    let entities =
        json!([{ "uid": { "type": "User", "id": "chief" }, "parents": [{ "type": "Group", "id": "admin" }] }]);
    let text = "permit (principal in Group::\"admin\", action, resource);";
    let set = node.get("/api/v1/policies").await.expect("the policies");
    let both = format!("{}\n{text}", set["text"].as_str().expect("a text"));
    let body = |text: &str| json!({ "text": text, "entities": entities.to_string() });
    node.post("/api/v1/policies", &body(&both)).await.expect("the first administrator lets another in");
    let applied = bearer(node, &chiefs).send(Method::POST, "/api/v1/policies", Some(&body(text)), &[]).await;
    applied.expect("chief is in the group");
    let _ = node.cli(&["api-token", "revoke", &id]).await.exits(7).says("LOCKOUT");
    let _ = node.cli(&["user", "rm", "chief"]).await.exits(7).says("LOCKOUT");
    // A new token of admin takes the place of the first one.
    let (_, new) = token(node, &["admin", "--ttl", "forever"]).await;
    let _ = node.cli(&["api-token", "revoke", &first]).await.exits(0);
    let error = node.get("/api/v1/api-tokens").await.expect_err("the first token is gone");
    assert_eq!(code(&error), "UNAUTHENTICATED");
    bearer(node, &new).get("/api/v1/api-tokens").await.expect("the new one is as good");
}

/// What is still open when its token is revoked is cut off, also on another node than the one that is told.
#[tokio::test]
async fn an_ask_that_waits_is_refused_once_its_token_is_revoked() {
    let cluster = Cluster::three().await;
    cluster.run_echo("a", "demo").await;
    let (told, asked) = (&cluster.nodes[0], &cluster.nodes[1]);
    let _ = told.cli(&["user", "add", "chief"]).await.exits(0);
    let (id, text) = token(told, &["chief"]).await;
    let entities =
        json!([{ "uid": { "type": "User", "id": "chief" }, "parents": [{ "type": "Group", "id": "admin" }] }]);
    let set = told.get("/api/v1/policies").await.expect("the policies");
    let body = json!({ "text": set["text"], "entities": entities.to_string() });
    let index = told.post("/api/v1/policies", &body).await.expect("valid policies")["index"].clone();
    asked.get(&format!("/api/v1/policies?at={index}")).await.expect("a node that keeps up");
    let chief = bearer(asked, &text);
    let sleep = json!({ "kind": "ask", "payload": { "sleep": 600 }, "timeout_ms": 600_000 });
    let waits = chief.send(Method::POST, "/api/v1/agents/a/messages", Some(&sleep), &[]);
    let revoke = async {
        // It answers one after the other: while it sleeps, nobody else is answered either.
        eventually("the agent sleeps", SOON, async || {
            let ran = told.cli(&["agent", "ask", "a", "{}", "--timeout", "1s"]).await;
            ensure!(ran.code == 6, "{ran:?}");
            Ok(())
        })
        .await;
        let _ = told.cli(&["api-token", "revoke", &id]).await.exits(0);
    };
    let (ended, ()) = tokio::join!(waits, revoke);
    let error = ended.expect_err("nobody asks any more");
    assert_eq!(code(&error), "UNAUTHENTICATED", "{error}");
    assert!(error.to_string().contains("before the answer to this request was complete"), "{error}");
}

#[tokio::test]
async fn an_auditor_reads_the_audit_and_no_logs() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    cluster.run_echo("a", "demo").await;
    let _ = node.cli(&["user", "add", "ann"]).await.exits(0);
    let (_, text) = token(node, &["ann"]).await;
    let entities =
        json!([{ "uid": { "type": "User", "id": "ann" }, "parents": [{ "type": "Group", "id": "auditor" }] }]);
    let set = node.get("/api/v1/policies").await.expect("the policies");
    let body = json!({ "text": set["text"], "entities": entities.to_string() });
    node.post("/api/v1/policies", &body).await.expect("valid policies");
    let ann = bearer(node, &text);
    let lines = ann.get("/api/v1/audit?last=100").await.expect("an auditor reads the audit");
    assert!(lines.to_string().contains("api-token.create"), "{lines}");
    for path in ["/api/v1/agents/a/logs", "/api/v1/users"] {
        let error = ann.get(path).await.expect_err("not for an auditor");
        assert_eq!(code(&error), "DENIED", "{path}: {error}");
    }
    let agent = ann.get("/api/v1/agents/a").await.expect("an auditor sees that it is there");
    assert_eq!(agent["redacted"], true, "{agent}");
}
