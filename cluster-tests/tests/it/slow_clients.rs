//! HTTP clients that are slow on purpose are closed, and until then disturb nobody.

use futures::future::join_all;
use std::time::{Duration, Instant};
use symbi_cluster_tests::Cluster;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Later than the documented bound by no more than this.
const GRACE: Duration = Duration::from_secs(6);

/// A client that sends `first`, then `drop` once a second, until it is closed: when that was, and what it was told.
async fn slow(to: std::net::SocketAddr, first: &[u8], drip: &[u8]) -> (Duration, String) {
    let began = Instant::now();
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = async {
        let mut open = write.write_all(first).await.is_ok();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        while open && !drip.is_empty() {
            second.tick().await;
            open = write.write_all(drip).await.is_ok();
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = dripping => unreachable!("it drips for ever"),
        _ = read.read_to_end(&mut answer) => (),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("a slow client was not closed within 60 s"),
    }
    (began.elapsed(), String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn slow_clients_are_closed_at_the_documented_times() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let (to, token) = (node.http, std::fs::read_to_string(node.dir.join("admin.token")).unwrap());
    let headers = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n",
        token.trim()
    );
    let clients = async {
        tokio::join!(
            slow(to, b"", b""),
            slow(to, b"GET /health/live HTTP/1.1\r\nX-Slow: ", b"x"),
            slow(to, headers.as_bytes(), b" "),
        )
    };
    let (((silent, _), (head, _), (body, told)), ()) = tokio::join!(clients, node.still_works());
    for (what, took, bound) in [("first byte", silent, 5), ("headers", head, 10), ("body", body, 30)] {
        let bound = Duration::from_secs(bound);
        assert!(took + Duration::from_secs(1) >= bound && took <= bound + GRACE, "{what}: closed after {took:?}");
    }
    assert!(told.starts_with("HTTP/1.1 408"), "{told}");
    node.still_works().await;
}

#[tokio::test]
async fn one_address_has_at_most_32_connections() {
    let cluster = Cluster::one().await;
    let to = cluster.nodes[0].http;
    let open = join_all((0..32).map(|_| TcpStream::connect(to))).await;
    let open: Vec<TcpStream> = open.into_iter().map(Result::unwrap).collect();
    let mut one_more = TcpStream::connect(to).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(3), one_more.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the 33rd is closed at once");
    // Whoever has the data directory still gets in, and the places are free again when their holders have gone.
    let dir = cluster.nodes[0].dir.to_str().unwrap();
    let _ = symbi_cluster_tests::symbi(&["cluster", "status", "--data-dir", dir]).await.exits(0);
    drop(open);
    cluster.nodes[0].still_works().await;
}
