//! The accept loop's bounds, over real sockets: too many, too silent, too slow, garbage.

use crate::stage::Stage;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use symbi_api::{Options, bind};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Long enough for anything that happens at once.
const SOON: Duration = Duration::from_secs(20);
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";

/// An interface that is served.
struct Served {
    /// Where.
    addr: std::net::SocketAddr,
    /// Its socket's directory.
    dir: TempDir,
    /// Ends it.
    cancel: CancellationToken,
    /// The node behind it.
    _stage: Stage,
}

async fn serve(change: impl FnOnce(&mut Options)) -> Served {
    let stage = Stage::new();
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new("127.0.0.1:0".parse().unwrap(), dir.path().join("api.sock"));
    change(&mut options);
    let bound = bind(options).await.unwrap();
    let (addr, cancel) = (bound.addr, CancellationToken::new());
    tokio::spawn(bound.serve(stage.router(), cancel.clone()));
    Served { addr, dir, cancel, _stage: stage }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// What the interface answers to `bytes` before it closes; nothing if it was closed at once.
    async fn says(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        all(&mut stream).await
    }
}

/// Everything until the other side closes.
async fn all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is closed with bytes unread ends in a reset: then there was no answer.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_address_has_32_connections_and_no_more() {
    let served = serve(|_| {}).await;
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(served.connect().await);
    }
    assert_eq!(served.says(LIVE).await, "", "the 33rd is closed");
    held[0].write_all(LIVE).await.unwrap();
    assert!(all(&mut held[0]).await.starts_with("HTTP/1.1 200"), "the first is served");
    held.remove(0);
    let served_again = async {
        while !served.says(LIVE).await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, served_again).await.expect("a place that was given back is taken");
}

#[tokio::test]
async fn all_addresses_together_have_a_bound_too() {
    let served = serve(|options| (options.connections, options.per_address) = (2, 32)).await;
    let _held = (served.connect().await, served.connect().await);
    assert_eq!(served.says(LIVE).await, "");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let served = serve(|options| options.first_byte = Duration::from_millis(50)).await;
    let began = Instant::now();
    assert_eq!(all(&mut served.connect().await).await, "");
    assert!(began.elapsed() < Duration::from_secs(5), "the headers' time is not waited for");
    assert!(served.says(LIVE).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn headers_that_do_not_end_are_not_waited_for() {
    let served = serve(|options| options.headers = Duration::from_millis(50)).await;
    let answer = served.says(b"GET /health/live HTTP/1.1\r\nHost: 127").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn garbage_gets_an_error_and_harms_nobody() {
    let served = serve(|_| {}).await;
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0x41; 64], b"\r\n\r\n"].concat();
    let headers = [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'x'; 1 << 20], b"\r\n\r\n"].concat();
    for garbage in [&hello[..], b"hello\r\n\r\n", b"GET /\0 HTTP/9.9\r\n\r\n", &headers] {
        let answer = served.says(garbage).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(served.says(LIVE).await.starts_with("HTTP/1.1 200"), "it still serves");
    }
}

#[tokio::test]
async fn what_follows_a_body_with_a_length_and_chunks_is_nobodys_request() {
    let served = serve(|_| {}).await;
    let again = [LIVE, LIVE].concat();
    let plain = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let answers = |text: String| text.matches("HTTP/1.1 ").count();
    assert_eq!(answers(served.says(&[&plain[..], &again].concat()).await), 2, "until it is asked to close");
    for lengths in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let head = format!("POST /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n{lengths}\r\n\r\n0\r\n\r\n");
        let said = served.says(&[head.as_bytes(), &again].concat()).await;
        assert_eq!(answers(said), 1, "{lengths}");
    }
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let served = serve(|_| {}).await;
    let mode = std::fs::metadata(served.dir.path().join("api.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    served.cancel.cancel();
}

#[tokio::test]
async fn what_cannot_be_bound_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("api.sock");
    let refused = |options: Options| async move { bind(options).await.err().unwrap().to_string() };
    let open = refused(Options::new("0.0.0.0:0".parse().unwrap(), socket.clone())).await;
    assert!(open.contains("is not a loopback address"), "{open}");
    let long = refused(Options::new("127.0.0.1:0".parse().unwrap(), dir.path().join("x".repeat(108)))).await;
    assert!(long.contains("a unix socket's path at most 107"), "{long}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = refused(Options::new(taken.local_addr().unwrap(), socket)).await;
    assert!(taken.contains("Address already in use"), "{taken}");
}
