//! The accept loop's bounds, over real sockets: too many, too silent, too slow, garbage.

use crate::stage::{ADMIN, Stage};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use symbi_api::{Options, bind};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
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
    /// It, to its end.
    serving: tokio::task::JoinHandle<()>,
    /// The node behind it.
    stage: Stage,
}

async fn serve(change: impl FnOnce(&mut Options)) -> Served {
    let stage = Stage::new();
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new("127.0.0.1:0".parse().unwrap(), dir.path().join("api.sock"));
    change(&mut options);
    let bound = bind(options).await.unwrap();
    let (addr, cancel) = (bound.addr, CancellationToken::new());
    let serving = tokio::spawn(bound.serve(stage.router(), cancel.clone()));
    Served { addr, dir, cancel, serving, stage }
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

/// Asks on a connection that is kept, and reads one answer.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    return text;
                }
            }
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "it ends early: {text}");
        }
    };
    tokio::time::timeout(SOON, whole).await.expect("an answer")
}

/// Everything until the other side closes.
async fn all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is closed with bytes unread ends in a reset: then there was no answer.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn forty_silent_connections_lock_nobody_out_and_are_told_why_they_are_closed() {
    let served = serve(|_| {}).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(served.connect().await);
    }
    for _ in 0..40 {
        let mut client = served.connect().await;
        let answer = ask(&mut client, "/api/v1/cluster", Some(ADMIN)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "who has a token is served: {answer}");
    }
    assert!(served.says(LIVE).await.starts_with("HTTP/1.1 200"), "and so is who asks for health");
    let told = all(&mut silent[0]).await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("connection: close"), "{told}");
    assert!(told.contains(r#""code":"TOO_MANY_CONNECTIONS""#), "{told}");
}

#[tokio::test]
async fn connections_that_have_shown_a_token_are_many_and_stay() {
    let served = serve(|options| options.anonymous = Duration::from_millis(500)).await;
    let mut known = Vec::new();
    for _ in 0..100 {
        let mut client = served.connect().await;
        assert!(ask(&mut client, "/api/v1/cluster", Some(ADMIN)).await.starts_with("HTTP/1.1 200"));
        known.push(client);
    }
    // A token that is none, and none at all: both are closed when their time is over, and in the middle of a head too.
    let (mut wrong, mut anonymous, mut half) = (served.connect().await, served.connect().await, served.connect().await);
    assert!(ask(&mut wrong, "/api/v1/cluster", Some("nobodys")).await.starts_with("HTTP/1.1 401"));
    assert!(ask(&mut anonymous, "/health/live", None).await.starts_with("HTTP/1.1 200"));
    half.write_all(b"GET /health/live HTTP/1.1\r\nHost: 127").await.unwrap();
    for closed in [&mut wrong, &mut anonymous, &mut half] {
        assert_eq!(all(closed).await, "");
    }
    for client in &mut known {
        let answer = ask(client, "/health/live", None).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "once is enough: {answer}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_answered_and_closed() {
    // All of one user, which may have as many as are left free.
    let served = serve(|options| options.limits.authenticated = 4).await;
    let mut held = [served.connect().await, served.connect().await];
    for client in &mut held {
        assert!(ask(client, "/api/v1/cluster", Some(ADMIN)).await.starts_with("HTTP/1.1 200"));
    }
    let request = format!("GET /api/v1/cluster HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    let told = served.says(request.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("connection: close"), "{told}");
    assert!(told.contains(r#""code":"TOO_MANY_CONNECTIONS""#), "{told}");
    let [first, _second] = held;
    drop(first);
    let again = async {
        while !served.says(request.as_bytes()).await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("a place that was given back is taken");
}

#[tokio::test]
async fn one_too_many_on_the_unix_socket_is_answered_too() {
    let served = serve(|options| options.limits.authenticated = 1).await;
    let socket = served.dir.path().join("api.sock");
    let mut held = UnixStream::connect(&socket).await.unwrap();
    assert!(ask(&mut held, "/api/v1/cluster", None).await.starts_with("HTTP/1.1 200"));
    let mut other = UnixStream::connect(&socket).await.unwrap();
    let told = ask(&mut other, "/api/v1/cluster", None).await;
    assert!(told.starts_with("HTTP/1.1 503") && told.contains("TOO_MANY_CONNECTIONS"), "{told}");
    assert!(ask(&mut held, "/api/v1/cluster", None).await.starts_with("HTTP/1.1 200"), "the first is not disturbed");
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
async fn who_waits_for_a_record_is_answered_when_the_node_stops() {
    let mut served = serve(|_| {}).await;
    let mut stream = served.connect().await;
    let request = format!(
        "GET /api/v1/audit?after=1.0&wait=10 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    served.stage.chain_reads.wait_for(|reads| *reads > 0).await.unwrap();
    served.cancel.cancel();
    served.serving.await.unwrap();
    let mut answer = Vec::new();
    // Whatever was said is there by now.
    let mut stream = stream.into_std().unwrap();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n[]"), "{text:?}");
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
