//! Requests of no valid shape, by name, and how each may end: `closed`, a bare status, or a status and its code.

use super::request;

/// A request, and how it may end.
pub struct Shape {
    /// What is wrong with it.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How it may end. (Where bytes stay unread, a reset may overtake the answer: then `closed` is among them.)
    pub may_end: &'static [&'static str],
}

/// Refused by the library that reads heads.
const HEAD: &[&str] = &["400"];
/// Refused by a handler.
const BAD: &[&str] = &["400 BAD_REQUEST"];
/// For somebody else.
const ELSEWHERE: &[&str] = &["421 MISDIRECTED"];
/// Nothing there.
const NOTHING: &[&str] = &["404 NOT_FOUND"];
/// Not with this method.
const METHOD: &[&str] = &["405 WRONG_METHOD"];
/// Nobody known.
const NOBODY: &[&str] = &["401 UNAUTHENTICATED"];

/// All of them.
pub fn all(token: &str) -> Vec<Shape> {
    let parts = [no_http(), heads(token), hosts(token), targets(token), bodies(token), lengths(token), own(token)];
    parts.into_iter().flatten().collect()
}

fn shape(name: &'static str, bytes: impl Into<Vec<u8>>, may_end: &'static [&'static str]) -> Shape {
    Shape { name, bytes: bytes.into(), may_end }
}

/// A request whose first line and headers after the token, each with its line's end, need be no text.
fn raw(line: &[u8], headers: &[u8], token: &str) -> Vec<u8> {
    [line, b"\r\nAuthorization: Bearer ", token.as_bytes(), b"\r\n", headers, b"\r\n"].concat()
}

/// Other protocols, and none.
fn no_http() -> Vec<Shape> {
    vec![
        shape("zeros", vec![0; 4_096], HEAD),
        shape("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20), HEAD),
        shape("HTTP/2", &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &["closed", "400"]),
        shape("HTTP/0.9", &b"GET /api/v1/agents\r\n\r\n"[..], HEAD),
        shape("HTTP/9.9", &b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n"[..], HEAD),
        shape("a node's own hello", &b"\x13/multistream/1.0.0\n\x07/noise\n"[..], HEAD),
        shape("only line ends", b"\r\n".repeat(100), &["closed"]),
        shape("an answer", &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..], HEAD),
    ]
}

/// Heads that are malformed or too long.
fn heads(token: &str) -> Vec<Shape> {
    let with =
        |header: &[u8]| raw(b"GET /api/v1/agents HTTP/1.1", &[b"Host: localhost\r\n", header, b"\r\n"].concat(), token);
    let many: String = (0..200).map(|number| format!("X-{number}: x\r\n")).collect();
    vec![
        shape("NUL in a header's name", with(b"X-\0: x"), HEAD),
        shape("NUL in a header's value", with(b"X: \0"), HEAD),
        shape("a header without a colon", with(b"X"), HEAD),
        shape("a header without a name", with(b": x"), HEAD),
        shape("a space before the colon", with(b"X : x"), HEAD),
        shape("a folded header", with(b"X: x\r\n  y"), HEAD),
        shape("a bare carriage return", with(b"X: x\ry"), HEAD),
        shape("200 headers", with(many.trim_end().as_bytes()), &["431"]),
        shape("a header of 1 MiB", with(&[&b"X: "[..], &vec![b'x'; 1 << 20]].concat()), &["431", "closed"]),
        shape("a token of 100 KB", with(&[&b"Authorization: Bearer "[..], &vec![b'x'; 100_000]].concat()), &["200"]),
        shape("a method in lower case", request("get /api/v1/agents", &[], "", token), METHOD),
        shape("a method of one's own", request("FROBNICATE /api/v1/agents", &[], "", token), METHOD),
        shape("TRACE", request("TRACE /api/v1/agents", &[], "", token), METHOD),
        shape("OPTIONS of all", request("OPTIONS *", &[], "", token), NOTHING),
        shape("CONNECT", request("CONNECT localhost:80", &[], "", token), &["404 NOT_FOUND", "405 WRONG_METHOD"]),
        shape("a method with a NUL", request("G\0T /api/v1/agents", &[], "", token), HEAD),
    ]
}

/// Requests for somebody else, or for nobody.
fn hosts(token: &str) -> Vec<Shape> {
    let to = |hosts: &[u8]| raw(b"GET /api/v1/agents HTTP/1.1", hosts, token);
    vec![
        shape("no host", to(b""), ELSEWHERE),
        shape("an empty host", to(b"Host:\r\n"), ELSEWHERE),
        shape("no host in HTTP/1.0", &b"GET /api/v1/agents HTTP/1.0\r\n\r\n"[..], ELSEWHERE),
        shape("a foreign host", to(b"Host: evil.example\r\n"), ELSEWHERE),
        shape("a list of hosts", to(b"Host: localhost, evil.example\r\n"), ELSEWHERE),
        shape("a list that ends well", to(b"Host: evil.example:80, localhost:8080\r\n"), ELSEWHERE),
        shape("a host for a port", to(b"Host: localhost:evil.example\r\n"), ELSEWHERE),
        shape("somebody at this host", to(b"Host: evil@localhost\r\n"), ELSEWHERE),
        shape("a host behind an address", to(b"Host: [::1].evil.example\r\n"), ELSEWHERE),
        shape("a host that is no text", to(b"Host: \xff\xfe\r\n"), ELSEWHERE),
        shape("two hosts", to(b"Host: localhost\r\nHost: evil.example\r\n"), BAD),
        shape("the same host twice", to(b"Host: localhost\r\nHost: localhost\r\n"), BAD),
        shape("a foreign target", request("GET http://evil.example/api/v1/agents", &[], "", token), ELSEWHERE),
    ]
}

/// Paths and queries that mean nothing.
fn targets(token: &str) -> Vec<Shape> {
    let get = |target: &str| request(&format!("GET {target}"), &[], "", token);
    let raw = |target: &[u8]| raw(&[b"GET ", target, b" HTTP/1.1"].concat(), b"Host: localhost\r\n", token);
    vec![
        shape("no target", raw(b""), HEAD),
        shape("a target without a slash", raw(b"api/v1/agents"), &["400", "421 MISDIRECTED"]),
        shape("NUL in the target", raw(b"/api/v1/\0"), HEAD),
        shape("a space in the target", raw(b"/api/v1/agents echo"), HEAD),
        shape("a target that is no text", raw(b"/api/v1/agents/\xff\xfe"), HEAD),
        shape("a target of 70,000 bytes", get(&format!("/{}", "x".repeat(70_000))), &["414"]),
        shape("a name of 60,000 bytes", get(&format!("/api/v1/agents/{}", "x".repeat(60_000))), NOTHING),
        shape("percents that are no text", get("/api/v1/agents/%ff%fe"), BAD),
        shape("percents that are no hex", get("/api/v1/agents/%zz"), NOTHING),
        shape("half a percent", get("/api/v1/agents/%"), NOTHING),
        shape("NUL by percents", get("/api/v1/agents/%00"), NOTHING),
        shape("a way up", get("/api/v1/agents/../../../etc/passwd"), NOTHING),
        shape("a way up by percents", get("/api/v1/agents/%2e%2e%2f%2e%2e"), NOTHING),
        shape("two slashes", get("//api/v1/agents"), &["404 NOT_FOUND", "421 MISDIRECTED"]),
        shape("a slash behind", get("/api/v1/agents/"), NOTHING),
        shape("an unknown parameter", get("/api/v1/agents?limit=1"), BAD),
        shape("a parameter twice", get("/api/v1/agents?at=1&at=1"), BAD),
        shape("parameters that exclude each other", get("/api/v1/agents?at=1&consistency=local"), BAD),
        shape("an index that is too great", get("/api/v1/agents?at=18446744073709551616"), BAD),
        shape("an index below zero", get("/api/v1/agents?at=-1"), BAD),
        shape("a parameter that is no text", get("/api/v1/agents?consistency=%ff"), BAD),
        shape("how many, below zero", get("/api/v1/audit?last=-1"), BAD),
        shape("from what is no number", get("/api/v1/audit?from=x"), BAD),
        shape("lines that are no number", get("/api/v1/agents/echo/logs?lines=all"), BAD),
        shape("a set that is no number", get("/api/v1/policies/latest"), BAD),
        shape("a decision that is no id", get("/api/v1/decisions/%00"), BAD),
        shape("a message that is no id", get("/api/v1/messages/xyz"), BAD),
        shape("a try that is neither", request("POST /api/v1/policies/1/rollback?dry_run=yes", &[], "", token), BAD),
    ]
}

/// Bodies that are not what they should be.
fn bodies(token: &str) -> Vec<Shape> {
    let send = |kind: &str, body: &[u8]| {
        let length = format!("Content-Length: {}", body.len());
        [&request("POST /api/v1/tokens", &[kind, &length], "", token)[..], body].concat()
    };
    let json = |body: &[u8]| send("Content-Type: application/json", body);
    let deep = "[".repeat(100_000);
    vec![
        shape("no kind", send("X: x", b"{}"), BAD),
        shape("a kind of text", send("Content-Type: text/plain", b"{}"), BAD),
        shape("a form", send("Content-Type: application/x-www-form-urlencoded", b"uses=1"), BAD),
        shape("a form of parts", send("Content-Type: multipart/form-data; boundary=x", b"--x--"), BAD),
        shape("a kind that is none", send("Content-Type: ;;/\x7f", b"{}"), &["400", "400 BAD_REQUEST"]),
        shape("nothing", json(b""), BAD),
        shape("half an object", json(b"{\"uses\": "), BAD),
        shape("an object and more", json(b"{} {}"), BAD),
        shape("a list", json(b"[1]"), BAD),
        shape("null", json(b"null"), BAD),
        shape("NULs", json(&[0; 64]), BAD),
        shape("no text", json(b"{\"uses\": \"\xff\xfe\"}"), BAD),
        shape("half a surrogate", json(b"{\"user\": \"\\ud800\"}"), BAD),
        shape("a byte order mark", json(b"\xef\xbb\xbf{}"), BAD),
        shape("brackets without end", json(deep.as_bytes()), BAD),
        shape("a key twice", json(b"{\"uses\": 1, \"uses\": 2}"), BAD),
        shape("a key that is unknown", json(b"{\"use\": 1}"), BAD),
        shape("a number that is too great", json(b"{\"uses\": 1e999}"), BAD),
        shape("a number below zero", json(b"{\"uses\": -1}"), BAD),
        shape("half a use", json(b"{\"uses\": 0.5}"), BAD),
        shape("a body of 2 MiB", json(&vec![b' '; 2 << 20]), &["413 TOO_LARGE", "closed"]),
    ]
}

/// Lengths and chunks that lie.
fn lengths(token: &str) -> Vec<Shape> {
    let post = |headers: &[&str], body: &str| {
        request("POST /api/v1/tokens", &[&["Content-Type: application/json"], headers].concat(), body, token)
    };
    let chunked = |body: &str| post(&["Transfer-Encoding: chunked"], body);
    let old = format!(
        "POST /api/v1/tokens HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    vec![
        shape("a length below zero", post(&["Content-Length: -1"], "{}"), HEAD),
        shape("a length that is no number", post(&["Content-Length: two"], "{}"), HEAD),
        shape("a length that is too great", post(&["Content-Length: 99999999999999999999"], "{}"), HEAD),
        shape("a length in hex", post(&["Content-Length: 0x2"], "{}"), HEAD),
        shape("two lengths", post(&["Content-Length: 2", "Content-Length: 3"], "{}"), HEAD),
        shape("a list of lengths", post(&["Content-Length: 2, 2"], "{}"), HEAD),
        shape("more than comes", post(&["Content-Length: 1000"], "{}"), &["400 BAD_REQUEST", "closed"]),
        shape(
            "far more than comes",
            post(&["Content-Length: 10000000000"], "{}"),
            &["400 BAD_REQUEST", "closed", "413 TOO_LARGE"],
        ),
        shape("chunks in HTTP/1.0", old, HEAD),
        shape("an encoding that is none", post(&["Transfer-Encoding: gzip"], "{}"), HEAD),
        shape("chunks and then another", post(&["Transfer-Encoding: chunked, gzip"], "0\r\n\r\n"), HEAD),
        shape("a chunk's size that is none", chunked("xyz\r\n{}\r\n0\r\n\r\n"), BAD),
        shape("a chunk's size below zero", chunked("-2\r\n{}\r\n0\r\n\r\n"), BAD),
        shape("a chunk's size that is too great", chunked("fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), BAD),
        shape("a chunk's size without end", chunked(&"0".repeat(100_000)), &["400 BAD_REQUEST", "closed"]),
        shape("a chunk that is longer than it says", chunked("1\r\n{}\r\n0\r\n\r\n"), BAD),
        shape("a chunk that breaks off", chunked("10\r\n{}"), &["400 BAD_REQUEST", "closed"]),
        shape("chunks that do not end", chunked("2\r\n{}\r\n"), &["400 BAD_REQUEST", "closed"]),
        shape(
            "an extension of 100 KB",
            chunked(&format!("2;{}\r\n{{}}\r\n", "x".repeat(100_000))),
            &["400 BAD_REQUEST", "closed"],
        ),
        shape(
            "chunks of more than is taken",
            chunked(&"10000\r\n".to_owned().replace("\r\n", &format!("\r\n{}\r\n", " ".repeat(0x1_0000))).repeat(20)),
            &["413 TOO_LARGE", "closed"],
        ),
        shape(
            "an expectation without a body",
            post(&["Content-Length: 5", "Expect: 100-continue"], ""),
            &["400 BAD_REQUEST", "closed"],
        ),
    ]
}

/// Headers of the interface's own.
fn own(token: &str) -> Vec<Shape> {
    let with = |header: &str| request("POST /api/v1/agents/echo/stop", &["Content-Length: 0", header], "", token);
    let nobody = |header: &str| format!("GET /api/v1/agents HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
    vec![
        shape("no token", nobody("X: x"), NOBODY),
        shape("half a token", nobody(&format!("Authorization: Bearer {}", &token[..token.len() / 2])), NOBODY),
        shape("a token of another kind", nobody(&format!("Authorization: Basic {token}")), NOBODY),
        shape("a token that is no text", nobody("Authorization: Bearer \u{fffd}"), NOBODY),
        shape("a deadline of none", with("Symbi-Timeout-Ms: 0"), BAD),
        shape("a deadline that is no number", with("Symbi-Timeout-Ms: soon"), BAD),
        shape("a deadline too late", with("Symbi-Timeout-Ms: 99999999999999999999"), BAD),
        shape("a deadline that is no text", with("Symbi-Timeout-Ms: \u{fffd}"), BAD),
        shape("a key that is none", with("Idempotency-Key: 7"), BAD),
        shape("a key that is no text", with("Idempotency-Key: \u{fffd}"), BAD),
    ]
}
