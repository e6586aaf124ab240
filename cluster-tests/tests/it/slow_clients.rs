//! HTTP clients that are slow on purpose are closed, and until then disturb nobody.

use futures::future::join_all;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Later than the documented bound by no more than this.
const GRACE: Duration = Duration::from_secs(6);
/// So many slow clients of each kind; together they stay below what may be open without a token.
const EACH: usize = 6;
/// What slow clients may cost others, 99 of a hundred of them. The machine has its own share in what those wait, and on one
/// that is busy it is the larger and comes and goes: it is what a node without slow clients takes for the same requests in
/// the same moments, some milliseconds where nothing else runs. (Nothing that slow clients do to their node hides in it: the
/// two nodes share nothing but processors, and of these the system lets a process have its turn.)
const P99: Duration = Duration::from_millis(100);
/// How often a slow reader asks for a big answer: 50 MiB and more in all, several times what the kernel holds.
const BIG_ANSWERS: usize = 200;

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

/// A client that asks for far more than the kernel holds and reads a byte a second: how long until its connection is no more.
async fn slow_reader(to: std::net::SocketAddr, request: String) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.repeat(BIG_ANSWERS).as_bytes()).await.unwrap();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    while began.elapsed() < Duration::from_secs(60) {
        second.tick().await;
        // What has come can be read on after a reset: only the socket itself says that it is over.
        if stream.take_error().unwrap().is_some() || stream.read_u8().await.is_err() {
            return began.elapsed();
        }
    }
    panic!("a client that does not read was not closed within 60 s")
}

/// A cluster of one with an agent's record of 256 KiB and more.
async fn with_a_big_record() -> Cluster {
    let cluster = Cluster::one().await;
    let spec = cluster.spec("ballast", "tests", &Program::Ends, "never");
    let node = &cluster.nodes[0];
    let _ = node.cli(&["agent", "run", &spec, "--wait"]).await.exits(0);
    let value = serde_json::json!({ "value": "v".repeat(4_096) });
    for number in 0..64 {
        let path = format!("/api/v1/agents/ballast/annotations/k{number}");
        node.client().send(hyper::Method::PUT, &path, Some(&value), &[]).await.unwrap();
    }
    cluster
}

/// Slow clients of one kind, one after the other, until the slowest kind is over: each as it ended.
async fn in_turn<T>(is_over: &Cell<bool>, client: impl AsyncFn() -> T) -> Vec<T> {
    let mut ended = vec![client().await];
    while !is_over.get() {
        ended.push(client().await);
    }
    ended
}

/// The share of `asked`, in hundredths, that took no longer.
fn quantile(asked: &[Duration], share: usize) -> Duration {
    asked[(asked.len() - 1) * share / 100]
}

/// Ordinary requests of each node, one after the other, until `until` ends: how long each took, the quickest first.
async fn others<const NODES: usize>(nodes: [&Node; NODES], until: impl Future<Output = ()>) -> [Vec<Duration>; NODES] {
    let took = nodes.map(|_| RefCell::new(Vec::new()));
    let asking = nodes.iter().zip(&took).map(async |(node, took)| {
        let client = node.client();
        loop {
            let began = Instant::now();
            client.get("/api/v1/agents").await.expect("an ordinary request is answered");
            took.borrow_mut().push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    tokio::select! {
        _ = join_all(asking) => unreachable!("they ask for ever"),
        () = until => (),
    }
    took.map(|took| {
        let mut took = took.into_inner();
        took.sort_unstable();
        took
    })
}

#[tokio::test]
async fn slow_clients_of_four_kinds_are_closed_within_a_minute_and_others_are_answered() {
    let (cluster, unharmed) = (with_a_big_record().await, with_a_big_record().await);
    let node = &cluster.nodes[0];
    let (to, token) = (node.http, std::fs::read_to_string(node.dir.join("admin.token")).unwrap());
    let token = token.trim();
    let headers = format!(
        "POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n"
    );
    let big = format!(
        "GET /api/v1/agents/ballast?consistency=local HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let (found, is_over) = (RefCell::new(None), Cell::new(false));
    let clients = async {
        // All four kinds are there as long as the slowest to be closed: the others come again.
        let lasting = async {
            let bodies = join_all((0..EACH).map(|_| slow(to, headers.as_bytes(), b" ")));
            let ended = tokio::join!(bodies, join_all((0..EACH).map(|_| slow_reader(to, big.clone()))));
            is_over.set(true);
            ended
        };
        let half_a_head = b"GET /health/live HTTP/1.1\r\nX-Slow: ";
        let three = tokio::join!(
            lasting,
            join_all((0..EACH).map(|_| in_turn(&is_over, async || slow(to, b"", b"").await))),
            join_all((0..EACH).map(|_| in_turn(&is_over, async || slow(to, half_a_head, b"x").await))),
        );
        found.replace(Some(three));
    };
    let [asked, elsewhere] = others([node, &unharmed.nodes[0]], clients).await;
    let ((body, reader), silent, head) = found.take().expect("they have ended");
    let (silent, head) = (silent.concat(), head.concat());
    assert!(silent.len() > 4 * EACH && head.len() > 2 * EACH, "{} silent, {} half heads", silent.len(), head.len());
    let kinds = [("first byte", silent, 5), ("headers", head, 10), ("body", body.clone(), 30)];
    for (what, took, bound) in kinds {
        let bound = Duration::from_secs(bound);
        for (took, _) in took {
            assert!(took + Duration::from_secs(1) >= bound && took <= bound + GRACE, "{what}: closed after {took:?}");
        }
    }
    assert!(body.iter().all(|(_, told)| told.starts_with("HTTP/1.1 408")), "{body:?}");
    for took in reader {
        assert!(took >= Duration::from_secs(29), "reader: closed after {took:?}");
    }
    let [p50, p99, max] = [50, 99, 100].map(|share| quantile(&asked, share));
    let elsewhere = quantile(&elsewhere, 99);
    eprintln!("others: {} requests, p50 {p50:?}, p99 {p99:?}, max {max:?}; p99 elsewhere {elsewhere:?}", asked.len());
    assert!(p99 < P99 + elsewhere, "others waited {p99:?}, and {elsewhere:?} where nobody is slow beside them");
    node.still_works().await;
}

#[tokio::test]
async fn silent_connections_lock_nobody_out() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let open = join_all((0..40).map(|_| TcpStream::connect(node.http))).await;
    let open: Vec<TcpStream> = open.into_iter().map(Result::unwrap).collect();
    let (http, token) = (node.http.to_string(), node.dir.join("admin.token"));
    let token = token.to_str().unwrap();
    let over_tcp = ["cluster", "status", "--addr", &http, "--api-token-file", token];
    let _ = symbi_cluster_tests::symbi(&over_tcp).await.exits(0);
    let dir = node.dir.to_str().unwrap();
    let _ = symbi_cluster_tests::symbi(&["cluster", "status", "--data-dir", dir]).await.exits(0);
    drop(open);
    node.still_works().await;
}
