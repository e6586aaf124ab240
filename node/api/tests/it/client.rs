//! The client of the command line, against the served interface: over TCP and over the socket.

use crate::stage::{ADMIN, Stage};
use std::time::Duration;
use symbi_api::client::{Client, Error, Target, segment};
use symbi_api::{Options, bind};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn both_doors_answer_and_refuse() {
    let stage = Stage::new();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("api.sock");
    let bound = bind(Options::new("127.0.0.1:0".parse().unwrap(), socket.clone())).await.unwrap();
    let tcp = Target::Tcp(bound.addr.to_string());
    let cancel = CancellationToken::new();
    let serving = tokio::spawn(bound.serve(stage.router(), cancel.clone()));
    let client = |target: Target, token: Option<&str>| Client {
        target,
        token: token.map(str::to_owned),
        token_file: None,
        timeout: Duration::from_secs(20),
    };

    let by_socket = client(Target::Unix(socket.clone()), None).get("/api/v1/cluster").await.unwrap();
    let by_tcp = client(tcp.clone(), Some(ADMIN)).get("/api/v1/cluster").await.unwrap();
    assert_eq!(by_socket, by_tcp);
    match client(tcp.clone(), None).get("/api/v1/cluster").await.unwrap_err() {
        Error::Refused { status: 401, code, .. } => assert_eq!(code, "UNAUTHENTICATED"),
        other => panic!("{other}"),
    }

    cancel.cancel();
    serving.await.unwrap();
    assert!(!socket.exists(), "the socket goes with the node");
    assert!(matches!(client(tcp, None).get("/").await.unwrap_err(), Error::Unreachable { .. }));
}

#[test]
fn a_segment_holds_any_name() {
    assert_eq!(segment("reviewer-1"), "reviewer-1");
    assert_eq!(segment("a/b ä?"), "a%2Fb%20%C3%A4%3F");
}
