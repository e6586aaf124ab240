//! HTTP requests that nobody should send, as bytes on a real node's socket: shapes by hand, each with what it is answered, and
//! a valid request of each route, cut short and with bits flipped, from a seed.
//!
//! Whatever comes is refused with 4xx in the interface's own form, or with 4xx and no body by the library that reads heads,
//! which then closes, or its connection is closed: never 5xx, and the node goes on. What is cut short is never carried out;
//! what has a bit flipped may still be a request.

use crate::crowds::connect;
use futures::future::join_all;
use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::seeds::seeds;
use symbi_cluster_tests::{Cluster, Node, SOON};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;

#[path = "../../../node/api/tests/it/routes.rs"]
mod routes;
mod shapes;

/// Where the damage comes from: printed with each failure.
const SEED: u64 = 0x5e_ed;
/// How often each request is cut.
const CUTS: usize = 8;
/// How often each request has a bit flipped.
const FLIPS: usize = 24;
/// So many are under way at once.
const AT_ONCE: usize = 24;
/// A client that has heard nothing for so long says that it has no more to say.
const MOMENT: Duration = Duration::from_millis(200);

/// What came back.
#[derive(Debug)]
struct Answer {
    /// The status.
    status: u16,
    /// The head, in lower case.
    head: String,
    /// The body.
    body: Vec<u8>,
}

impl Answer {
    /// The first answer in what was heard, once it is whole, or as far as it came if that was the end.
    fn of(heard: &[u8], is_over: bool) -> Option<Self> {
        let end = heard.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&heard[..end]).to_lowercase();
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        if status < 200 {
            return Self::of(&heard[end..], is_over);
        }
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        let rest = &heard[end..];
        let whole = match length {
            Some(length) => (rest.len() >= length).then_some(length),
            None => rest.windows(5).position(|five| five == b"0\r\n\r\n").map(|at| at + 5),
        };
        let length = whole.or_else(|| is_over.then_some(rest.len()))?;
        Some(Self { status, head, body: rest[..length].to_vec() })
    }

    /// The stable code, if it is a refusal in the interface's own form.
    fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let fields = body.as_object()?;
        let code = fields["code"].as_str().filter(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))?;
        let told = fields["error"].as_str().is_some_and(|text| !text.is_empty()) && fields["details"].is_object();
        (told && fields.len() == 3).then(|| code.to_owned())
    }
}

/// Reads until an answer is whole, or there is no more.
async fn hear(read: &mut OwnedReadHalf, heard: &mut Vec<u8>) -> Option<Answer> {
    loop {
        if let Some(answer) = Answer::of(heard, false) {
            return Some(answer);
        }
        // A connection that is closed with bytes unread ends in a reset.
        match read.read_buf(heard).await {
            Ok(0) | Err(_) => return Answer::of(heard, true),
            Ok(_) => {}
        }
    }
}

/// What a node answers to `bytes`; none if it closes the connection. After `patience` it is told that there is no more to come.
async fn told(node: &Node, number: usize, bytes: &[u8], patience: Duration) -> Option<Answer> {
    let stream = connect(number, node.http).await.expect("a listener");
    let (mut read, mut write) = stream.into_split();
    let mut heard = Vec::new();
    let sending = async {
        let _ = write.write_all(bytes).await;
        tokio::time::sleep(patience).await;
        let _ = write.shutdown().await;
        std::future::pending::<()>().await;
    };
    let exchange = async {
        tokio::select! {
            biased;
            answer = hear(&mut read, &mut heard) => answer,
            () = sending => unreachable!("it waits for ever"),
        }
    };
    let answer = tokio::time::timeout(2 * SOON, exchange).await;
    answer.unwrap_or_else(|_| panic!("neither answered nor closed: {:?}", String::from_utf8_lossy(bytes)))
}

/// All that a node sends to who sends `bytes`, until it closes the connection.
async fn until_closed(node: &Node, number: usize, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(number, node.http).await.expect("a listener");
    let _ = stream.write_all(bytes).await;
    let mut heard = Vec::new();
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
    assert!(closed.is_ok(), "still open: {:?}", String::from_utf8_lossy(bytes));
    heard
}

/// How an exchange ended, in a word or two: `closed`, a bare status, or a status and its code.
fn ended(answer: Option<&Answer>) -> Result<String, String> {
    let Some(answer) = answer else { return Ok("closed".to_owned()) };
    let Answer { status, head, body, .. } = answer;
    match status {
        200..300 => Ok(status.to_string()),
        400..500 if body.is_empty() && head.contains("connection: close") => Ok(status.to_string()),
        400..500 => match answer.code() {
            Some(code) => Ok(format!("{status} {code}")),
            None => Err(format!("{status} is not in the interface's form: {}", String::from_utf8_lossy(body))),
        },
        _ => Err(format!("{status}: {}", String::from_utf8_lossy(body))),
    }
}

/// A request, and the node's own token with it.
fn request(line: &str, headers: &[&str], body: &str, token: &str) -> Vec<u8> {
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}\r\n{body}").into_bytes()
}

/// A body that a route takes; for the bench one that is refused, since a run takes seconds.
fn body(method: &str, path: &str) -> Option<Value> {
    let case = json!({ "name": "n", "principal": { "agent": "a", "owner": "o" }, "action": "message::ask",
        "resource": { "agent": "b", "owner": "o" }, "expect": "allow" });
    let body = match (method, path) {
        ("POST", "/api/v1/agents") => json!({ "name": "nowhere", "owner": "o", "program": { "command": ["true"] },
            "placement": { "require": ["room=none"] } }),
        ("PUT", "/api/v1/agents/{name}/spec") => json!({ "name": "echo", "owner": "demo",
            "program": { "command": Program::Echo.command() }, "restart": { "policy": "always" } }),
        ("PUT", "/api/v1/agents/{name}/annotations/{key}") => json!({ "value": "v" }),
        ("POST", "/api/v1/agents/{name}/messages") => {
            json!({ "kind": "ask", "payload": { "echo": 1 }, "timeout_ms": 2000 })
        }
        ("POST", "/api/v1/upgrade/finalize") => json!({ "gate": 1 }),
        ("POST", "/api/v1/users") => json!({ "name": "new" }),
        ("POST", "/api/v1/api-tokens") => json!({ "user": "admin", "ttl_ms": 60_000 }),
        ("POST", "/api/v1/tokens") => json!({ "uses": 1, "ttl_ms": 60_000 }),
        ("POST", "/api/v1/policies") => json!({ "text": "permit (principal, action, resource);" }),
        ("POST", "/api/v1/policies/test") => json!({ "case": [case] }),
        ("POST", "/api/v1/bench" | "/api/v1/bench/agents") => json!({ "bench": "nothing", "clients": 4 }),
        _ => return None,
    };
    Some(body)
}

/// A valid request of a route.
fn valid((method, path): &(String, String), token: &str) -> Vec<u8> {
    // Who is stopped, started anew or removed is nobody whom the others need.
    let ends = ["/stop", "/start", "/restart"].iter().any(|end| path.ends_with(end));
    let name = if method == "DELETE" || ends { "victim" } else { "echo" };
    let target = path.replace("{name}", name).replace("{key}", "k").replace("{number}", "1").replace("{other}", "1");
    let id = if path.contains("decisions") { "00000000-01890000-0000-7000-8000-000000000000" } else { "01890000" };
    let mut target = target.replace("{id}", id);
    let is_dry = [("POST", "/policies"), ("POST", "/{number}/rollback"), ("PUT", "/spec")];
    if is_dry.iter().any(|(wanted, end)| method == wanted && path.ends_with(end)) {
        target.push_str("?dry_run=true");
    }
    let body = body(method, path).map(|body| body.to_string());
    let length = format!("Content-Length: {}", body.as_ref().map_or(0, String::len));
    let headers = ["Content-Type: application/json", &length, "Symbi-Timeout-Ms: 5000"];
    let headers = if method == "GET" { &headers[2..] } else { &headers[..] };
    request(&format!("{method} {target}"), headers, body.as_deref().unwrap_or_default(), token)
}

/// What each of these gets, one of each in the order of the requests.
async fn all(node: &Node, requests: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Option<Answer>)> {
    let ask = |(number, bytes): (usize, Vec<u8>)| async move {
        let answer = told(node, number, &bytes, MOMENT).await;
        (bytes, answer)
    };
    stream::iter(requests.into_iter().enumerate()).map(ask).buffered(AT_ONCE).collect().await
}

/// A cluster with an agent that answers and one that may be removed; and its token.
async fn furnished() -> (Cluster, String) {
    let cluster = Cluster::one().await;
    cluster.run_echo("echo", "demo").await;
    let victim = cluster.spec("victim", "demo", &Program::Ends, "never");
    let _ = cluster.nodes[0].cli(&["agent", "run", &victim]).await.exits(0);
    let token = std::fs::read_to_string(cluster.nodes[0].dir.join("admin.token")).expect("the first node has it");
    (cluster, token.trim().to_owned())
}

/// That the same process still does its work, and has never panicked.
async fn is_whole(cluster: &mut Cluster) {
    let node = &mut cluster.nodes[0];
    assert_eq!(node.ended(), None, "{}", node.stderr());
    node.still_works().await;
    assert!(!node.stderr().contains("panicked"), "{}", node.stderr());
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_request_of_each_route_cut_short_or_with_a_bit_flipped_is_refused_or_still_one() {
    let (mut cluster, token) = furnished().await;
    let routes = routes::all();
    let whole: Vec<Vec<u8>> = routes.iter().map(|route| valid(route, &token)).collect();
    // One after the other: of an export, for one, there is only one at a time.
    for (route, bytes) in routes.iter().zip(&whole) {
        let answer = told(&cluster.nodes[0], 0, bytes, SOON).await;
        let ended = ended(answer.as_ref()).unwrap_or_else(|why| panic!("{route:?}: {why}"));
        let is_taken = matches!(ended.as_str(), "200" | "404 NOT_FOUND" | "409 NO_PREVIOUS" | "409 NOT_WANTED")
            || route.1.contains("/bench");
        assert!(is_taken, "{route:?}: {ended}: {}", String::from_utf8_lossy(bytes));
    }

    for seed in seeds(SEED..SEED + 1) {
        let mut refused = 0;
        for (is_cut, requests) in damaged(seed, &whole) {
            for (bytes, answer) in all(&cluster.nodes[0], requests).await {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let ended = ended(answer.as_ref()).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{shown}"));
                let is_taken = ended.starts_with('2');
                assert!(!(is_cut && is_taken), "seed {seed}: carried out though it was cut short:\n{shown}");
                refused += usize::from(!is_taken);
            }
        }
        assert!(refused > whole.len() * (CUTS + FLIPS) / 3, "{refused} were refused");
    }
    is_whole(&mut cluster).await;
}

/// Each request cut short, and each with a bit flipped, again and again; whether they are cut, with them.
fn damaged(seed: u64, whole: &[Vec<u8>]) -> [(bool, Vec<Vec<u8>>); 2] {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cut, mut flipped) = (Vec::new(), Vec::new());
    for bytes in whole {
        cut.extend((0..CUTS).map(|_| bytes[..random.random_range(1..bytes.len())].to_vec()));
        for _ in 0..FLIPS {
            let (at, bit) = (random.random_range(0..bytes.len()), random.random_range(0..8));
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            flipped.push(changed);
        }
    }
    [(true, cut), (false, flipped)]
}

#[tokio::test]
async fn each_shape_that_nobody_should_send_gets_its_answer() {
    let (mut cluster, token) = furnished().await;
    let (mut wrong, shapes) = (Vec::new(), shapes::all(&token));
    let sent = shapes.iter().map(|shape| shape.bytes.clone()).collect();
    for (shape, (_, answer)) in shapes.iter().zip(all(&cluster.nodes[0], sent).await) {
        match ended(answer.as_ref()) {
            Ok(ended) if shape.may_end.contains(&ended.as_str()) => {}
            Ok(ended) => wrong.push(format!("{}: {ended}, and not {:?}", shape.name, shape.may_end)),
            Err(why) => wrong.push(format!("{}: {why}", shape.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_whole(&mut cluster).await;
}

#[tokio::test]
async fn what_a_smuggler_hides_behind_a_body_is_never_carried_out() {
    let (mut cluster, token) = furnished().await;
    let node = &cluster.nodes[0];
    let hidden = String::from_utf8(request("POST /api/v1/agents/echo/stop", &[], "", &token)).expect("ASCII");
    let within = hidden.len();
    let json = "Content-Type: application/json";
    let tokens = |headers: &[&str], body: &str| {
        request("POST /api/v1/tokens", &[&[json], headers].concat(), &format!("{body}{hidden}"), &token)
    };
    let covers = format!("Content-Length: {}", within + 5);
    let cases = [
        ("a length that covers both, and chunks", tokens(&[&covers, "Transfer-Encoding: chunked"], "0\r\n\r\n")),
        ("chunks, and a length that covers both", tokens(&["Transfer-Encoding: chunked", &covers], "0\r\n\r\n")),
        ("a length of nothing, and chunks", tokens(&["Content-Length: 0", "Transfer-Encoding: chunked"], "0\r\n\r\n")),
        ("two lengths", tokens(&["Content-Length: 0", &covers], "")),
        ("a length that is none", tokens(&["Content-Length: +0"], "")),
        ("an encoding behind the chunks", tokens(&["Transfer-Encoding: chunked, identity"], "0\r\n\r\n")),
        ("an encoding that only looks so", tokens(&["Content-Length: 0", "Transfer-Encoding: xchunked"], "0\r\n\r\n")),
        ("a space before the colon", tokens(&["Content-Length: 0", "Transfer-Encoding : chunked"], "0\r\n\r\n")),
        ("a size with a sign", tokens(&["Transfer-Encoding: chunked"], "-0\r\n\r\n")),
        ("a size too great", tokens(&["Transfer-Encoding: chunked"], "10000000000000000\r\n")),
    ];
    let heard = join_all(cases.iter().enumerate().map(|(number, (_, bytes))| until_closed(node, number, bytes))).await;
    for ((name, _), heard) in cases.iter().zip(heard) {
        if let Err(why) = ended(Answer::of(&heard, true).as_ref()) {
            panic!("{name}: {why}");
        }
        let text = String::from_utf8_lossy(&heard);
        assert!(text.matches("HTTP/1.1 ").count() <= 1, "{name}: one request, one answer: {text}");
    }
    let agent = cluster.agent(0, "echo").await.expect("it is there");
    assert_eq!(agent["desired"], "running", "what was hidden was done");
    is_whole(&mut cluster).await;
}
