//! PROTOCOL.md: its examples are lines of the protocol, and its agents are agents.

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use symbi_sandbox::process::{Options, Process};
use symbi_sandbox::rpc::frame::{self, Ask, Frame, Initialize, Log, Tell};
use symbi_sandbox::rpc::{self, CallError, Inbound, Kind, Level, Message};
use symbi_sandbox::{Driver, Instance, Launch};

const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

/// The fenced blocks of that kind.
fn blocks(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}\n");
    let blocks = PROTOCOL.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.collect()
}

fn lines(kind: &str) -> impl Iterator<Item = &'static str> {
    blocks(kind).into_iter().flat_map(str::lines)
}

#[test]
fn every_example_for_the_agent_is_what_the_node_writes() {
    let mut errors = Vec::new();
    for line in lines("jsonl to-agent") {
        let written = match Frame::parse(line.as_bytes()).unwrap() {
            Frame::Request { id: frame::Id::Number(id), method, params } => match method.as_str() {
                "initialize" => frame::request(id, &frame::params::<Initialize>(params).unwrap()),
                "message" => frame::request(id, &frame::params::<Message>(params).unwrap()),
                other => panic!("{other}"),
            },
            Frame::Response { result, .. } => {
                // No order of members is promised inside of `data`.
                errors.extend(result.err());
                continue;
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(written, line, "byte for byte");
    }
    let expected = [
        CallError::denied("0193b3c0-6000-7000-8000-000000000001", "no policy permits it"),
        CallError::not_delivered("reviewer-2 has no placement"),
        CallError::deadline_exceeded(true),
        CallError::outcome_unknown("0193b3c0-6000-7000-8000-000000000002"),
    ];
    assert_eq!(errors, expected);
}

#[test]
fn every_example_for_the_node_is_read_by_it() {
    let mut methods = Vec::new();
    for line in lines("jsonl to-node") {
        match Frame::parse(line.as_bytes()).unwrap() {
            Frame::Response { .. } => methods.push("-".to_owned()),
            Frame::Request { method, params, .. } | Frame::Notification { method, params } => {
                match method.as_str() {
                    "ask" => drop(frame::params::<Ask>(params).unwrap()),
                    "tell" => drop(frame::params::<Tell>(params).unwrap()),
                    "log" => drop(frame::params::<Log>(params).unwrap()),
                    other => panic!("{other}"),
                }
                methods.push(method);
            }
        }
    }
    assert_eq!(methods, ["-", "-", "-", "-", "ask", "tell", "log"]);
}

#[test]
fn the_limits_are_those_of_the_code() {
    assert!(PROTOCOL.contains("1 MiB + 4 KiB (1,052,672 bytes)") && symbi_sandbox::lines::LINE == 1_052_672);
    assert!(PROTOCOL.contains("after 8 KiB") && symbi_sandbox::lines::LOG_LINE == 8 << 10);
    assert!(PROTOCOL.contains("may have 256 asks open") && rpc::ASKS == 256);
    assert!(PROTOCOL.contains("is 30,000 if left out") && rpc::ASK_TIMEOUT_MS == 30_000);
    assert!(PROTOCOL.contains("within 10 s") && rpc::INITIALIZE.as_secs() == 10);
}

async fn run(directory: &Path, script: &str) -> Instance {
    let program = directory.join("agent");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let driver = Process::new(Options::new(directory.join("run"))).unwrap();
    let command = vec![program.display().to_string()];
    let launch =
        Launch { agent: "example".to_owned(), id: "1".to_owned(), command, memory_mb: 128, ..Launch::default() };
    let instance = driver.start(launch).await.unwrap();
    // Its processes live as long as the driver.
    std::mem::forget(driver);
    instance
}

fn message(kind: Kind, payload: Value) -> Message {
    Message { id: "m".to_owned(), kind, from: "tester".to_owned(), deadline_ms: 0, payload }
}

#[tokio::test]
async fn the_python_agent_works() {
    let directory = tempfile::tempdir().unwrap();
    let instance = run(directory.path(), blocks("python")[0]).await;
    let Instance { stdin, stdout, mut exit, stopper, .. } = instance;
    let (client, mut inbound) = rpc::connect(stdin, stdout, stopper.clone());
    client.initialize("example", 1, 1).await.unwrap();

    let told = client.message(message(Kind::Tell, json!({ "words": [] }))).await;
    assert_eq!(told, Ok(json!({ "count": 0, "from": "tester" })));
    let words = json!({ "words": ["ä", "b"] });
    assert_eq!(client.message(message(Kind::Ask, words)).await, Ok(json!({ "count": 2, "from": "tester" })));
    let wrong = client.message(message(Kind::Ask, json!({}))).await;
    assert_eq!(wrong, Err(rpc::Error::Refused(CallError::new(1, "'words'"))));

    let asking = client.message(message(Kind::Ask, json!({ "words": ["x"], "ask": "other" })));
    let answering = async {
        let Some(Inbound::Ask { to, payload, timeout_ms: 30_000, reply }) = inbound.recv().await else { panic!() };
        assert_eq!((to.as_str(), payload), ("other", json!({ "words": ["x"] })));
        reply.send(Ok(json!("heard"))).unwrap();
    };
    assert_eq!(tokio::join!(asking, answering).0, Ok(json!({ "told": "heard" })));

    stopper.terminate();
    assert_eq!(symbi_sandbox::driver::ended(&mut exit).await.signal, Some(15));
}

#[tokio::test]
async fn the_shell_agent_works() {
    let directory = tempfile::tempdir().unwrap();
    let Instance { stdin, stdout, mut exit, stopper, .. } = run(directory.path(), blocks("sh")[0]).await;
    let (client, mut inbound) = rpc::connect(stdin, stdout, stopper.clone());
    client.initialize("example", 1, 1).await.unwrap();
    let payload = json!({ "payload": "\"payload\":{}}", "method": ["initialize", null, 1.5] });
    assert_eq!(client.message(message(Kind::Ask, payload.clone())).await, Ok(payload));
    for method in ["initialize", "message"] {
        let Some(Inbound::Log { level: Level::Info, text }) = inbound.recv().await else { panic!() };
        assert_eq!(text, method);
    }
    stopper.kill();
    assert_eq!(symbi_sandbox::driver::ended(&mut exit).await.signal, Some(9));
}
