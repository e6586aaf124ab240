//! Who is let in: over TCP the bearer of a known token, on the unix socket the node's own user.

use crate::stage::{ADMIN, Stage};
use axum::body::Body;
use axum::http::{Method, Request};
use symbi_api::auth::Listener;

/// What anybody may ask.
const PUBLIC: &[&str] = &["/health/live", "/health/ready", "/api/v1/health", "/.well-known/agent-identity.json"];

fn request(path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().uri(path).header("host", "localhost");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn over_tcp_a_known_token_is_needed() {
    let stage = Stage::new();
    let admin = format!("Bearer {ADMIN}");
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer nobodys"), 401),
        (Some("Bearer "), 401),
        (Some(ADMIN), 401),
        (Some("Basic YWRtaW46YWRtaW4="), 401),
        (Some(admin.as_str()), 200),
    ] {
        let answer = stage.send(Listener::Tcp, request("/api/v1/cluster", authorization)).await;
        assert_eq!(answer.status, status, "{authorization:?}");
    }
    let answer = stage.send(Listener::Tcp, request("/api/v1/cluster", None)).await;
    assert_eq!(answer.error(), (401, "UNAUTHENTICATED"));
    assert_eq!(answer.says(), "this request needs 'Authorization: Bearer TOKEN'");
}

#[tokio::test]
async fn on_the_unix_socket_none_is_needed_but_a_wrong_one_is_wrong() {
    let stage = Stage::new();
    assert_eq!(stage.send(Listener::Unix, request("/api/v1/cluster", None)).await.status, 200);
    assert_eq!(stage.send(Listener::Unix, request("/api/v1/cluster", Some("Bearer nobodys"))).await.status, 401);
}

#[tokio::test]
async fn whoever_asks_without_a_token_learns_only_health_and_public_keys() {
    let stage = Stage::new();
    for (method, path) in crate::routes::all() {
        let target = path.replace(['{', '}'], "");
        let mut asked = request(&target, None);
        *asked.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = stage.send(Listener::Tcp, asked).await;
        match PUBLIC.contains(&path.as_str()) {
            true => assert_eq!(answer.status, 200, "{method} {path}"),
            false => assert_eq!(answer.error(), (401, "UNAUTHENTICATED"), "{method} {path}"),
        }
    }
}
