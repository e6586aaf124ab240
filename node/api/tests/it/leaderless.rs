//! A node that hears no leader: what it answers, to whom, and that it never takes its own silence for a denial.

use crate::routes;
use crate::stage::{ADMIN, Answer, Stage};
use axum::body::Body;
use axum::http::Request;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_api::auth::Listener;

/// Needs neither token nor leader.
const PUBLIC: &[&str] = &["/health/live", "/health/ready", "/api/v1/health", "/.well-known/agent-identity.json"];
/// What the node's own user reads on the unix socket, however long no leader was heard.
const CLOSED_LIST: &[&str] = &[
    "GET /api/v1/cluster",
    "GET /api/v1/nodes",
    "GET /api/v1/agents/{name}/logs",
    "GET /api/v1/agents/{name}/why",
    "GET /api/v1/decisions/{id}",
    "GET /api/v1/audit",
    "GET /api/v1/audit/verify",
];
const SPEC: &str = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#;

/// A node that knows an agent `a`, and heard a leader so long ago.
async fn silent(heard: Option<Duration>) -> Stage {
    let stage = Stage::new();
    assert_eq!(stage.post("/api/v1/agents", SPEC).await.status, 200);
    stage.view.send_modify(|view| view.leader_heard = heard);
    stage
}

async fn ask(stage: &Stage, listener: Listener, token: Option<&str>, method: &str, path: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    stage.send(listener, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn without_a_leader_a_closed_list_is_answered_on_the_socket_and_no_token_opens_anything() {
    for heard in [Some(Duration::from_secs(10)), None] {
        let stage = silent(heard).await;
        stage.confirms.store(false, Ordering::Relaxed);
        for (method, path) in routes::all() {
            let target = path.replace("{name}", "a").replace("{id}", "00000000-0000-0000").replace(['{', '}'], "");
            let route = format!("{method} {path}");
            let on_socket = ask(&stage, Listener::Unix, None, &method, &target).await;
            let with_token = ask(&stage, Listener::Tcp, Some(ADMIN), &method, &target).await;
            let unknown_token = ask(&stage, Listener::Tcp, Some("nobodys"), &method, &target).await;
            let without = ask(&stage, Listener::Tcp, None, &method, &target).await;
            if PUBLIC.contains(&path.as_str()) {
                for answer in [on_socket, with_token, unknown_token, without] {
                    assert_eq!((answer.status.as_u16(), answer.heard_ms), (200, None), "{route}");
                }
                continue;
            }
            assert_eq!(with_token.error(), (503, "NO_LEADER"), "{route}");
            assert_eq!(
                unknown_token.error(),
                (503, "NO_LEADER"),
                "{route}: it may be one that is newer than this node's news"
            );
            assert_eq!(without.error(), (401, "UNAUTHENTICATED"), "{route}");
            if CLOSED_LIST.contains(&route.as_str()) {
                assert_ne!(on_socket.status, 503, "{route}: {}", on_socket.says());
                assert_eq!(on_socket.heard_ms, heard.map(|_| 10_000), "{route}");
            } else {
                assert_eq!(on_socket.error(), (503, "NO_LEADER"), "{route}");
            }
        }
        let local = ask(&stage, Listener::Tcp, Some(ADMIN), "GET", "/api/v1/agents?consistency=local").await;
        assert_eq!(local.error(), (503, "NO_LEADER"), "nor does it read what this node has");
    }
}

#[tokio::test]
async fn a_leader_that_was_heard_a_moment_ago_is_one() {
    let stage = silent(Some(Duration::from_millis(9_999))).await;
    let shown = stage.get("/api/v1/agents/a").await;
    assert_eq!((shown.status.as_u16(), shown.heard_ms), (200, None));
}

#[tokio::test]
async fn what_this_node_does_not_know_it_does_not_deny() {
    let stage = silent(Some(Duration::ZERO)).await;
    for second in [10, 60] {
        // The gate's own clock, so that it permits nothing that policies decide.
        stage.boottime.store(second, Ordering::Relaxed);
        let refused = stage.post("/api/v1/agents", &SPEC.replace("\"a\"", "\"b\"")).await;
        assert_eq!(refused.error(), (503, "NO_LEADER"), "after {second} s: {}", refused.says());
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_no_leader_confirms_says_so_and_the_closed_list_is_read_without_one() {
    let stage = silent(Some(Duration::from_secs(1))).await;
    stage.confirms.store(false, Ordering::Relaxed);
    assert_eq!(stage.get("/api/v1/agents").await.error(), (503, "NO_LEADER"));
    assert_eq!(
        stage.get("/api/v1/agents/a/why").await.error(),
        (503, "NO_LEADER"),
        "with a token it is read fresh or not"
    );
    for path in ["/api/v1/agents/a/why", "/api/v1/agents/a/logs", "/api/v1/nodes"] {
        assert_eq!(ask(&stage, Listener::Unix, None, "GET", path).await.status, 200, "{path}");
    }
    assert_eq!(ask(&stage, Listener::Unix, None, "GET", "/api/v1/agents").await.error(), (503, "NO_LEADER"));
}
