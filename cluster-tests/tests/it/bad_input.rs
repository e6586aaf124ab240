//! Bad input: each gets its clear error, and the node stays up.

use anyhow::ensure;
use serde_json::json;
use std::net::SocketAddr;
use symbi_api::client::Error;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, SOON, eventually, symbi};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `bytes` and answers what comes back before the other side closes.
async fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.expect("a listener");
    // The other side may close before it has read everything: that is an answer too.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    assert!(
        ended.is_ok(),
        "a connection that sent {} bad bytes is still open; it was answered {answer:?}",
        bytes.len()
    );
    answer
}

/// Bytes that mean nothing, the same at each run.
fn garbage(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * at * 31 % 251).expect("below 251")).collect()
}

#[tokio::test]
async fn garbage_on_the_cluster_port() {
    let mut cluster = Cluster::one().await;
    let port = cluster.nodes[0].listen;
    let select = b"\x13/multistream/1.0.0\n\x07/noise\n".to_vec();
    let oversized_name = [b"\x13/multistream/1.0.0\n".to_vec(), vec![0xff; 64]].concat();
    let oversized_frame = [select.clone(), vec![0xff, 0xff], garbage(0xffff)].concat();
    let handshake = [select, vec![0, 32], garbage(32)].concat();
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    for bytes in [garbage(100), garbage(1 << 20), oversized_name, oversized_frame, handshake, http] {
        exchange(port, &bytes).await;
    }
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect(port).await.unwrap());
    }
    cluster.nodes[0].still_works().await;
    drop(silent);
    cluster.join().await;
    cluster.nodes[1].still_works().await;
}

#[tokio::test]
async fn garbage_on_the_http_port() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let long_header = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat();
    for bytes in [garbage(1 << 20), b"\x16\x03\x01\x02\x00\x01".repeat(100), long_header] {
        let answer = exchange(node.http, &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    let foreign = b"GET /api/v1/agents HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = exchange(node.http, foreign).await;
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 421"), "{}", String::from_utf8_lossy(&answer));

    let refused = |error: Result<serde_json::Value, Error>| match error {
        Err(Error::Refused { status, code, message, .. }) => (status, code, message),
        other => panic!("not refused: {other:?}"),
    };
    let large = json!({ "kind": "ask", "payload": "x".repeat(2 << 20) });
    let (status, code, _) = refused(node.post("/api/v1/agents/echo/messages", &large).await);
    assert_eq!((status, code.as_str()), (413, "TOO_LARGE"));
    let (status, code, why) = refused(node.post("/api/v1/tokens", &json!({ "use": 1 })).await);
    assert_eq!((status, code.as_str()), (400, "BAD_REQUEST"));
    assert!(why.contains("did you mean `uses`?"), "{why}");
    let (status, ..) = refused(node.get("/api/v1/nothing").await);
    assert_eq!(status, 404);
    let (status, ..) = refused(node.get("/api/v1/agents?consistency=perhaps").await);
    assert_eq!(status, 400);
    let (status, ..) = refused(node.get("/api/v1/agents?at=x").await);
    assert_eq!(status, 400);
    let headers = [("idempotency-key", "not a uuid".to_owned())];
    let body = json!({ "uses": 1, "ttl_ms": 60_000 });
    let (status, ..) = refused(node.client().send(hyper::Method::POST, "/api/v1/tokens", Some(&body), &headers).await);
    assert_eq!(status, 400);
    node.still_works().await;
}

#[tokio::test]
async fn agents_that_break_the_protocol_end_with_the_reason() {
    let cluster = Cluster::one().await;
    for (name, program, reason) in [("garbage", Program::Garbage, "JSON"), ("long", Program::LongLine, "long")] {
        let spec = cluster.spec(name, "demo", &program, "never");
        let _ = cluster.nodes[0].cli(&["agent", "run", &spec]).await.exits(0);
        eventually("the agent has failed", SOON, async || {
            let agent = cluster.agent(0, name).await?;
            ensure!(agent["state"] == "failed", "{agent:#}");
            let detail = agent["detail"].as_str().unwrap_or_default();
            ensure!(detail.contains(reason), "{reason:?} is not in {detail:?}");
            Ok(())
        })
        .await;
    }
    cluster.run_echo("echo", "demo").await;
    cluster.nodes[0].still_works().await;
}

#[tokio::test]
async fn messages_that_are_too_long() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    cluster.run_echo("echo", "demo").await;
    let at_file = format!("@{}", cluster.write("large.json", format!("{:?}", "x".repeat(2 << 20))));
    let _ = node.cli(&["agent", "ask", "echo", &at_file]).await.exits(1).says("TOO_LARGE");
    let answer = node.cli(&["agent", "ask", "echo", r#"{"make": 1000000}"#]).await.exits(0).json();
    assert_eq!(answer.as_str().map(str::len), Some(1_000_000), "a long answer that is not too long");

    // An answer of 2 MiB is a line of 2 MiB: it ends the agent, and the asker is told that nobody answers.
    let ran = node.cli(&["agent", "ask", "echo", r#"{"make": 2097152}"#, "--timeout", "20s"]).await;
    assert!([5, 6].contains(&ran.code), "{ran:?}");
    eventually("the agent is started again", SOON, async || {
        let answer = node.cli(&["agent", "ask", "echo", r#"{"echo": 1}"#, "--timeout", "5s"]).await;
        ensure!(answer.code == 0, "{answer:?}");
        Ok(())
    })
    .await;
    node.still_works().await;
}

#[tokio::test]
async fn directories_and_ports_that_are_taken() {
    let cluster = Cluster::one().await;
    let first = &cluster.nodes[0];
    let start = async |node: &symbi_cluster_tests::Node| {
        let arguments = node.arguments(&[]);
        symbi(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let mut same_dir = cluster.stranger("same-dir");
    same_dir.dir.clone_from(&first.dir);
    let pid = format!("process {} ", first.pid());
    let _ = start(&same_dir).await.exits(1).says("DATA_DIR_IN_USE").says(&pid);

    let mut same_listen = cluster.stranger("same-listen");
    same_listen.listen = first.listen;
    let _ = start(&same_listen).await.exits(1).says("LISTEN").says(&first.listen.to_string()).says("fix: ");

    let mut same_http = cluster.stranger("same-http");
    same_http.http = first.http;
    let _ = start(&same_http).await.exits(1).says("HTTP_LISTEN").says(&first.http.to_string()).says("fix: ");

    let mut long_path = cluster.stranger("long");
    long_path.dir = cluster.file(&"d".repeat(110));
    let _ = start(&long_path).await.exits(1).says("107");

    let mut open_http = cluster.stranger("open");
    open_http.http.set_ip([0, 0, 0, 0].into());
    let _ = start(&open_http).await.exits(2).says("loopback");
    first.still_works().await;

    // Those that failed left nothing that keeps them from starting when the cause is gone.
    let mut later = cluster.stranger("same-listen");
    later.start(&[]);
    later.ready().await;
}

#[tokio::test]
async fn specifications_that_are_wrong() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let program = "[program]\ncommand = [\"true\"]\n";
    let table = [
        (format!("name = \"x\"\nowner = \"o\"\nrestarts = 3\n{program}"), 2, "did you mean `restart`?"),
        (format!("name = \"x\"\nowner = \"o\"\n{program}[placement]\ntier = \"docker\"\n"), 2, "placement.tier"),
        (format!("name = \"Not A Label\"\nowner = \"o\"\n{program}"), 2, "name: "),
        ("name = \"x\"\nowner = \"o\"\n[program]\ncommand = []\n".to_owned(), 2, "program.command"),
        ("name = \"x\"\nowner = \"o\"\n".to_owned(), 2, "missing field `program`"),
        ("name = \"x\nowner".to_owned(), 2, "TOML"),
    ];
    for (number, (text, code, says)) in table.iter().enumerate() {
        let path = cluster.write(&format!("spec-{number}.toml"), text);
        let _ = node.cli(&["agent", "run", &path]).await.exits(*code).says(says);
    }
    // Over HTTP the node refuses the same.
    let wrong = json!({ "name": "x", "owner": "o", "program": { "command": "true" } });
    let refused = node.post("/api/v1/agents", &wrong).await;
    assert!(matches!(&refused, Err(Error::Refused { status: 400, .. })), "{refused:?}");
    let ran = node.cli(&["agent", "annotate", "echo", "k", &"v".repeat(4097)]).await;
    let _ = ran.exits(2).says("4096");

    // A program that is not there: the cluster takes the specification, and the agent says what is wrong.
    let absent = "name = \"absent\"\nowner = \"o\"\n[program]\ncommand = [\"/no/such/program\"]\n[restart]\npolicy = \"never\"\n";
    let path = cluster.write("absent.toml", absent);
    let ran = node.cli(&["agent", "run", &path, "--wait"]).await.exits(1);
    let _ = ran.says("AGENT_FAILED").says("/no/such/program");
    node.still_works().await;
}
