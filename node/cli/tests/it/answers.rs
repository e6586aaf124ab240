//! What a node's answer means as an exit code, with a node that is a script.

use crate::program::{Place, Ran};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

/// Something that answers one connection with `bytes`, and then closes it: its address, and the head of what it was asked.
pub fn node_that_says(bytes: &str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let answer = bytes.to_owned();
    let node = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            request.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        String::from_utf8_lossy(&request).into_owned()
    });
    (addr, node)
}

/// Runs a verb against something that answers one connection after the other, each with one of `answers`; and the first line of
/// what each was asked.
pub fn against_all(answers: &[String], arguments: &[&str]) -> (Ran, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (asked, heard) = mpsc::channel();
    let answers = answers.to_vec();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
            asked.send(head.trim_end_matches(" HTTP/1.1").to_owned()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let ran = Place::new().run(&[arguments, &["--addr", &addr]].concat());
    (ran, heard.try_iter().collect())
}

/// Runs a verb against something that answers one connection with `bytes`.
pub fn against(bytes: &str, arguments: &[&str]) -> Ran {
    let (addr, node) = node_that_says(bytes);
    let ran = Place::new().run(&[arguments, &["--addr", &addr]].concat());
    node.join().unwrap();
    ran
}

pub fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn refusal(status: &str, code: &str) -> String {
    http(status, &format!(r#"{{"error": "in words", "code": "{code}", "details": {{}}}}"#))
}

#[test]
fn a_refusal_has_its_exit_code() {
    for (status, code, exit) in [
        ("400 Bad Request", "BAD_REQUEST", 2),
        ("404 Not Found", "NOT_FOUND", 3),
        ("401 Unauthorized", "UNAUTHENTICATED", 4),
        ("403 Forbidden", "DENIED", 4),
        ("503 Service Unavailable", "NO_LEADER", 5),
        ("503 Service Unavailable", "UNAVAILABLE", 5),
        ("503 Service Unavailable", "INCOMPLETE", 5),
        ("503 Service Unavailable", "TOO_MANY_CONNECTIONS", 5),
        ("504 Gateway Timeout", "OUTCOME_UNKNOWN", 6),
        ("504 Gateway Timeout", "DEADLINE", 6),
        ("409 Conflict", "NAME_TAKEN", 1),
        ("500 Internal Server Error", "INTERNAL", 1),
    ] {
        let ran = against(&refusal(status, code), &["cluster", "status"]);
        assert_eq!(ran.code, exit, "{code}: {}", ran.err);
        assert!(ran.err.starts_with(&format!("error[{code}]: in words\n")), "{}", ran.err);
    }
}

#[test]
fn only_verbs_that_read_take_the_beginning_of_a_name() {
    let missing = refusal("404 Not Found", "NOT_FOUND");
    let one = http("200 OK", r#"[{"name": "worker-10"}]"#);
    let two = http("200 OK", r#"[{"name": "worker-1"}, {"name": "worker-10"}]"#);
    let shown = http("200 OK", r#"{"name": "worker-10", "lines": []}"#);
    let list = "GET /api/v1/agents?prefix=work";
    for (verb, rest) in
        [(&["agent", "show"][..], ""), (&["agent", "logs"], "/logs?lines=100"), (&["why", "agent"], "/why")]
    {
        let verb = [verb, &["work"]].concat();
        let (ran, asked) = against_all(&[missing.clone(), one.clone(), shown.clone()], &verb);
        assert_eq!(ran.code, 0, "{verb:?}: {}", ran.err);
        let [exact, found] = ["work", "worker-10"].map(|name| format!("GET /api/v1/agents/{name}{rest}"));
        assert_eq!(asked, [exact.as_str(), list, &found], "{verb:?}");
        let (ran, _) = against_all(&[missing.clone(), two.clone()], &verb);
        assert_eq!(ran.code, 2, "{verb:?}: {}", ran.err);
        assert!(ran.err.starts_with("error[AMBIGUOUS]: 2 agents begin with \"work\"\n"), "{}", ran.err);
        assert!(ran.err.contains("they are worker-1, worker-10"), "{}", ran.err);
        let (ran, _) = against_all(&[missing.clone(), http("200 OK", "[]")], &verb);
        assert_eq!(ran.code, 3, "{verb:?}: {}", ran.err);
    }
    for verb in [
        &["agent", "rm", "work"][..],
        &["agent", "stop", "work"],
        &["agent", "annotate", "work", "k", "v"],
        &["agent", "ask", "work", "1"],
        &["agent", "tell", "work", "1"],
        &["node", "remove", "work", "--yes"],
    ] {
        let (ran, asked) = against_all(&[missing.clone(), one.clone()], verb);
        assert_eq!((ran.code, asked.len()), (3, 1), "{verb:?}: {asked:?} {}", ran.err);
    }
    assert_eq!(Place::new().run(&["token", "revoke", "4f2a"]).code, 2, "of a token's id neither");
}

#[test]
fn a_denial_says_how_to_see_why() {
    let body = r#"{"error": "denied: no", "code": "DENIED", "details": {"decision": "1f0c9a2b-0192"}}"#;
    let ran = against(&http("403 Forbidden", body), &["agent", "stop", "a"]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("symbi-node why decision 1f0c9a2b-0192"), "{}", ran.err);
}

#[test]
fn each_ending_of_an_ask_has_its_exit_code() {
    for (ending, exit) in [
        (r#""ending": "answer", "payload": {"n": 1}"#, 0),
        (r#""ending": "denied", "decision": "d", "reason": "no""#, 4),
        (r#""ending": "not_delivered", "reason": "it does not run""#, 5),
        (r#""ending": "deadline_exceeded", "delivered": true"#, 6),
        (r#""ending": "outcome_unknown""#, 6),
    ] {
        let ran = against(&http("200 OK", &format!(r#"{{"message_id": "m", {ending}}}"#)), &["agent", "ask", "a", "1"]);
        assert_eq!(ran.code, exit, "{ending}: {}", ran.err);
        assert_eq!(ran.out, if exit == 0 { "{\n  \"n\": 1\n}\n" } else { "" });
    }
}

#[test]
fn what_is_no_node_is_said_to_be_none() {
    for garbage in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"] {
        let ran = against(garbage, &["cluster", "status"]);
        assert_eq!(ran.code, 1, "{garbage:?}: {}", ran.err);
        assert!(ran.err.starts_with("error[GARBLED]"), "{}", ran.err);
    }
}

#[test]
fn a_connection_that_is_closed_is_said_to_be_closed() {
    for cut in ["", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"] {
        let ran = against(cut, &["cluster", "status"]);
        assert_eq!(ran.code, 5, "{cut:?}: {}", ran.err);
        assert!(ran.err.starts_with("error[CUT_OFF]: the connection was closed before"), "{}", ran.err);
    }
}

#[test]
fn one_that_never_answers_costs_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let ran = Place::new().run(&["cluster", "status", "--addr", &addr, "--timeout", "100ms"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
}
