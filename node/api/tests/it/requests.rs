//! Requests that cannot be served: each gets its status, a stable code, and what would have been right.

use crate::stage::{ADMIN, Stage};
use axum::body::{Body, Bytes};
use axum::http::Request;
use futures::StreamExt;
use symbi_api::auth::Listener;
use symbi_api::routes::BODY_BYTES;

const SPEC: &str = r#"{"name": "a", "owner": "o", "program": {"command": ["true"]}}"#;

async fn with_host(stage: &Stage, listener: Listener, host: Option<&str>) -> u16 {
    let mut request = Request::builder().uri("/health/live");
    if let Some(host) = host {
        request = request.header("host", host);
    }
    stage.send(listener, request.body(Body::empty()).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn a_host_that_is_not_this_nodes_is_refused_over_tcp() {
    let stage = Stage::new();
    for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "n1:8080"] {
        assert_eq!(with_host(&stage, Listener::Tcp, Some(host)).await, 200, "{host}");
    }
    for host in [Some("evil.example"), Some("localhost.evil.example"), None] {
        assert_eq!(with_host(&stage, Listener::Tcp, host).await, 421, "{host:?}");
        assert_eq!(with_host(&stage, Listener::Unix, host).await, 200, "{host:?}");
    }
}

#[tokio::test]
async fn a_request_names_one_host_in_its_header_and_its_target() {
    let stage = Stage::new();
    let ask = async |target: &str, hosts: &[&str]| {
        let request = Request::builder().uri(target);
        let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
        let answer = stage.send(Listener::Tcp, request.body(Body::empty()).unwrap()).await;
        (answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask("http://localhost:8080/health/live", &["localhost:8080"]).await.0, 200);
    for (target, hosts, status, code) in [
        ("http://evil.example/health/live", &["localhost"][..], 421, "MISDIRECTED"),
        ("http://localhost/health/live", &["evil.example"], 421, "MISDIRECTED"),
        ("/health/live", &["localhost, evil.example"], 421, "MISDIRECTED"),
        ("/health/live", &["localhost", "evil.example"], 400, "BAD_REQUEST"),
        ("/health/live", &["localhost", "localhost"], 400, "BAD_REQUEST"),
    ] {
        assert_eq!(ask(target, hosts).await, (status, code.to_owned()), "{target} {hosts:?}");
    }
}

#[tokio::test]
async fn what_is_not_there() {
    let stage = Stage::new();
    assert_eq!(stage.get("/nowhere").await.error(), (404, "NOT_FOUND"));
    assert_eq!(stage.get("/nowhere").await.says(), "there is nothing at /nowhere");
    assert_eq!(stage.get("/api/v1/agents/a").await.error(), (404, "NOT_FOUND"));
    assert_eq!(stage.get("/api/v1/policies/7").await.error(), (404, "NOT_FOUND"));
    assert_eq!(stage.admin("DELETE", "/api/v1/tokens/ab", &[], "").await.error(), (404, "NOT_FOUND"));
    let wrong = stage.admin("PATCH", "/api/v1/agents", &[], "").await;
    assert_eq!(wrong.error(), (405, "WRONG_METHOD"));
    assert_eq!(wrong.says(), "/api/v1/agents does not take PATCH");
}

#[tokio::test]
async fn a_decision_that_is_no_id_or_is_gone() {
    let stage = Stage::new();
    assert_eq!(stage.get("/api/v1/decisions/x").await.error(), (400, "BAD_REQUEST"));
    let gone = stage.get("/api/v1/decisions/8a88e3dd-01a1fc91-73b8-7000-806a-078f2bef42d7").await;
    assert_eq!(gone.error(), (404, "NOT_FOUND"), "{}", gone.says());
    let untold = stage.get("/api/v1/decisions/dededede-01a1fc91-73b8-7000-806a-078f2bef42d7").await;
    assert_eq!((untold.error(), untold.says()), ((503, "UNAVAILABLE"), "n2: the node is stopping"));
}

#[tokio::test]
async fn a_body_with_an_unknown_key_or_a_wrong_type() {
    let stage = Stage::new();
    let unknown = stage.post("/api/v1/agents", &SPEC.replace("owner", "onwer")).await;
    assert_eq!(unknown.error(), (400, "BAD_REQUEST"));
    assert!(unknown.says().contains("unknown field `onwer`"), "{}", unknown.says());
    assert!(unknown.says().contains("did you mean `owner`?"), "{}", unknown.says());
    let wrong = stage.post("/api/v1/agents", &SPEC.replace("[\"true\"]", "\"true\"")).await;
    assert_eq!(wrong.error(), (400, "BAD_REQUEST"));
    assert!(wrong.says().contains("program.command: invalid type: string"), "{}", wrong.says());
    let tier = r#""placement": {"tier": "docker"}, "name""#;
    let tier = stage.post("/api/v1/agents", &SPEC.replace("\"name\"", tier)).await;
    assert!(tier.says().starts_with("placement.tier: "), "{}", tier.says());
    assert_eq!(stage.post("/api/v1/agents", "{").await.error(), (400, "BAD_REQUEST"));
    assert_eq!(stage.post("/api/v1/agents", "\u{0}\u{1}garbage").await.error(), (400, "BAD_REQUEST"));
    assert_eq!(stage.post("/api/v1/tokens", r#"{"uses": 0}"#).await.says(), "uses: 1 to 1000");
    assert_eq!(stage.post("/api/v1/tokens", r#"{"ttl_ms": 1}"#).await.says(), "ttl: 1 s to 90 days");
}

#[tokio::test]
async fn a_body_that_is_no_object_or_is_not_called_json() {
    let stage = Stage::new();
    let post = async |kind: Option<&str>, body: &str| {
        let request = Request::post("/api/v1/tokens").header("host", "localhost");
        let request = request.header("authorization", format!("Bearer {ADMIN}"));
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        stage.send(Listener::Tcp, request.body(Body::from(body.to_owned())).unwrap()).await
    };
    for kind in ["application/json", "application/json; charset=utf-8", "APPLICATION/problem+json"] {
        assert_eq!(post(Some(kind), r#"{"uses": 1}"#).await.status, 200, "{kind}");
    }
    let uncalled = "Expected request with `Content-Type: application/json`";
    for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("json")] {
        let refused = post(kind, r#"{"uses": 1}"#).await;
        assert_eq!((refused.error(), refused.says()), ((400, "BAD_REQUEST"), uncalled), "{kind:?}");
    }
    for (body, says) in [
        ("", "EOF while parsing a value"),
        ("[1]", "invalid type: sequence, expected an object"),
        (r#"[{"uses": 1}]"#, "invalid type: sequence, expected an object"),
        ("\"uses\"", "invalid type: string \"uses\", expected an object"),
        ("null", "invalid type: null, expected an object"),
        (r#"{"uses": 1} {}"#, "trailing characters at line 1 column 13"),
        (r#"{"uses": 1, "uses": 2}"#, "duplicate field `uses`"),
        (r#"{"uses": "one"}"#, "uses: invalid type: string \"one\", expected u32 at line 1 column 14"),
    ] {
        let refused = post(Some("application/json"), body).await;
        assert_eq!(refused.error(), (400, "BAD_REQUEST"), "{body}");
        assert!(refused.says().contains(says), "{body}: {}", refused.says());
    }
}

#[tokio::test]
async fn query_parameters_that_nobody_knows() {
    let stage = Stage::new();
    for path in ["/api/v1/agents?consistency=strong", "/api/v1/agents?at=soon", "/api/v1/agents?limit=1"] {
        assert_eq!(stage.get(path).await.error(), (400, "BAD_REQUEST"), "{path}");
    }
    assert_eq!(stage.get("/api/v1/agents?at=1&consistency=local").await.error(), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_body_that_is_too_long_whatever_its_length_header_says() {
    let stage = Stage::new();
    let long = stage.post("/api/v1/agents", &"x".repeat(BODY_BYTES + 1)).await;
    assert_eq!(long.error(), (413, "TOO_LARGE"));
    let endless = futures::stream::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b' '; 4096])));
    let request = Request::post("/api/v1/agents").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {ADMIN}"));
    let chunked = request.body(Body::from_stream(endless)).unwrap();
    assert_eq!(stage.send(Listener::Tcp, chunked).await.error(), (413, "TOO_LARGE"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_called_too_long() {
    let stage = Stage::new();
    let begun = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("the client has gone"))];
    let request = Request::post("/api/v1/agents").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {ADMIN}"));
    let request = request.body(Body::from_stream(futures::stream::iter(begun))).unwrap();
    let answer = stage.send(Listener::Tcp, request).await;
    assert_eq!(answer.error(), (400, "BAD_REQUEST"));
    assert_eq!(answer.says(), "the body ends before its length, or its chunks cannot be read");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come() {
    let stage = Stage::new();
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let request = Request::post("/api/v1/agents").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {ADMIN}"));
    let request = request.body(Body::from_stream(begun.chain(futures::stream::pending()))).unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(stage.send(Listener::Tcp, request).await.error(), (408, "SLOW_BODY"));
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_strangers_body_is_not_read() {
    let stage = Stage::new();
    let request = Request::post("/api/v1/agents").header("host", "localhost");
    let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = stage.send(Listener::Tcp, request.body(never).unwrap()).await;
    assert_eq!(answer.error(), (401, "UNAUTHENTICATED"));
}
