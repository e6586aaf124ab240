//! Flags and variables whose effect no other test looks at.

use anyhow::ensure;
use rustix::process::Signal;
use serde_json::json;
use std::net::TcpListener;
use std::time::Instant;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually, symbi, symbi_after};

#[tokio::test]
async fn a_cluster_is_called_and_reached_as_its_first_start_says_and_goes_on_so() {
    let base = tempfile::Builder::new().prefix("symbi").tempdir_in("/tmp").expect("a directory in /tmp");
    let [mut first, mut second] =
        ["n1", "n2"].map(|name| Node::new(base.path(), name, &base.path().join("n1/admin.token")));
    let elsewhere = format!("127.0.0.3:{}", first.listen.port());
    first.listen.set_ip([0, 0, 0, 0].into());
    first.start(&["--cluster-name", "prod", "--domain", "agents.example", "--advertise-addr", &elsewhere]);
    first.ready().await;
    let is_as_said = async |node: &Node| {
        let status = node.status().await.unwrap();
        assert_eq!((&status["cluster"]["name"], &status["nodes"][0]["addr"]), (&json!("prod"), &json!(elsewhere)));
        let document = node.get("/.well-known/agent-identity.json").await.unwrap();
        assert!(document.to_string().contains("\"agents.example\""), "{document:#}");
    };
    is_as_said(&first).await;
    let printed = first.cli(&["token", "create", "--print-join-command"]).await.exits(0).out;
    assert!(printed.contains(&format!("symbi-node --join {elsewhere} --token SYM1.prod.")), "{printed}");

    // The other one knows no address but the one that it was told.
    let token = printed.split(' ').find(|word| word.starts_with("SYM1.")).expect("a token");
    second.start(&["--join", &elsewhere, "--token", token]);
    second.ready().await;
    assert_eq!(second.stop().await, 0);
    assert_eq!(first.stop().await, 0);
    // Neither is told anything again, and no verb starts a node too.
    first.start_with(&[], &["--data-dir", first.dir.clone().to_str().unwrap()]);
    first.ready().await;
    second.start_with(&[], &["--data-dir", second.dir.clone().to_str().unwrap()]);
    second.ready().await;
    is_as_said(&first).await;
    is_as_said(&second).await;
    second.signal(Signal::INT);
    assert_eq!(second.end().await, 130, "as a shell reports an interrupted program");
}

#[tokio::test]
async fn variables_say_what_flags_would_and_flags_come_first() {
    let mut cluster = Cluster::one().await;
    let first = &cluster.nodes[0];
    let (addr, file) = (first.http.to_string(), first.dir.join("admin.token"));
    let (dir, file_name) = (first.dir.display(), file.to_str().unwrap());
    let token = std::fs::read_to_string(&file).unwrap();
    let after = async |variables: &[String], words: &[&str]| {
        let prefix: Vec<&str> = ["env"].into_iter().chain(variables.iter().map(String::as_str)).collect();
        symbi_after(&prefix, words).await
    };
    let at = format!("SYMBI_ADDR={addr}");
    for variables in [
        &[at.clone(), format!("SYMBI_TOKEN={}", token.trim())][..],
        &[at.clone(), format!("SYMBI_TOKEN_FILE={file_name}")],
        &[at.clone(), format!("SYMBI_TOKEN={}", token.trim()), "SYMBI_TOKEN_FILE=/nowhere".to_owned()],
        &[format!("SYMBI_DATA_DIR={dir}")],
    ] {
        let _ = after(variables, &["agent", "ls"]).await.exits(0);
    }
    let wrong = ["SYMBI_ADDR=127.0.0.1:1", "SYMBI_TOKEN=wrong", "SYMBI_DATA_DIR=/nowhere"].map(str::to_owned);
    let _ = after(&wrong, &["agent", "ls"]).await.exits(5);
    let _ = after(&wrong, &["agent", "ls", "--addr", &addr, "--api-token-file", file_name]).await.exits(0);

    let mut second = cluster.newcomer();
    let [listen, http, seed] = [second.listen, second.http, first.listen].map(|addr| addr.to_string());
    let (dir, token) = (second.dir.clone(), cluster.join_token.clone());
    second.start_with(
        &[("SYMBI_DATA_DIR", dir.to_str().unwrap()), ("SYMBI_JOIN_TOKEN", &token), ("SYMBI_LOG_LEVEL", "debug")],
        &["--name", "n2", "--listen", &listen, "--http", &http, "--join", &seed],
    );
    second.ready().await;
    assert!(dir.join("cluster.json").exists() && second.stderr().contains(" DEBUG "), "{}", second.stderr());
    assert!(!cluster.nodes[0].stderr().contains(" DEBUG "), "only who is asked says so much");
    let nodes = second.get("/api/v1/nodes").await.unwrap();
    assert_eq!((&nodes[1]["name"], &nodes[1]["addr"]), (&json!("n2"), &json!(listen)), "{nodes:#}");
    cluster.nodes.push(second);
    cluster.nodes[1].still_works().await;
}

#[tokio::test]
async fn labels_that_were_given_are_taken_back() {
    let mut cluster = Cluster::one().await;
    let node = &mut cluster.nodes[0];
    for (flags, labels) in [
        (&["--label", "gpu", "--label", "zone=a"][..], json!(["gpu", "node=n1", "zone=a"])),
        (&[], json!(["gpu", "node=n1", "zone=a"])),
        (&["--no-labels"], json!(["node=n1"])),
        (&[], json!(["node=n1"])),
    ] {
        assert_eq!(node.stop().await, 0);
        node.start(flags);
        node.ready().await;
        eventually("its labels are known", SOON, async || {
            let nodes = node.get("/api/v1/nodes").await?;
            ensure!(nodes[0]["labels"] == labels, "{flags:?}: {nodes:#}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_join_takes_no_longer_than_it_may() {
    let cluster = Cluster::one().await;
    // Takes connections, and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let seed = mute.local_addr().unwrap().to_string();
    let (node, began) = (cluster.newcomer(), Instant::now());
    let arguments = node.arguments(&["--join", &seed, "--token", &cluster.join_token, "--join-timeout", "2s"]);
    let ran = symbi(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.exits(21).says("JOIN_DIAL");
    let took = began.elapsed();
    assert!((2..8).contains(&took.as_secs()), "{took:?}: {ran:#?}");
}

#[tokio::test]
async fn so_many_nodes_join_with_a_token_as_it_has_uses() {
    let mut cluster = Cluster::one().await;
    let made =
        cluster.nodes[0].cli(&["token", "create", "--uses", "2", "--ttl", "1h", "-o", "json"]).await.exits(0).json();
    let token = made["token"].as_str().unwrap().to_owned();
    let seed = cluster.nodes[0].listen.to_string();
    for _ in 0..2 {
        let mut node = cluster.newcomer();
        node.start(&["--join", &seed, "--token", &token]);
        node.ready().await;
        cluster.nodes.push(node);
    }
    let third = cluster.newcomer().arguments(&["--join", &seed, "--token", &token]);
    let _ = symbi(&third.iter().map(String::as_str).collect::<Vec<_>>()).await.exits(24).says("spent");
    let tokens = cluster.nodes[0].cli(&["token", "ls", "-o", "json"]).await.exits(0).json();
    let line = tokens.as_array().unwrap().iter().find(|line| line["id"] == made["id"]).expect("it is listed");
    assert_eq!((&line["uses"], &line["used"], &line["state"]), (&json!(2), &json!(2), &json!("used")));
}

#[tokio::test]
async fn so_many_lines_and_records_are_printed_as_are_asked_for() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    cluster.run_echo("echo", "demo").await;
    for line in ["one", "two", "three"] {
        let _ = node.cli(&["agent", "ask", "echo", &json!({ "log": line }).to_string()]).await.exits(0);
    }
    let whole = eventually("all three lines", SOON, async || {
        let logs = node.cli(&["agent", "logs", "echo"]).await.exits(0).out;
        ensure!(logs.contains("three"), "{logs}");
        Ok(logs)
    })
    .await;
    let lines: Vec<&str> = whole.lines().collect();
    assert!(lines.len() >= 3, "{whole}");
    for count in [1, 2] {
        let few = node.cli(&["agent", "logs", "echo", "--lines", &count.to_string()]).await.exits(0).out;
        assert_eq!(few.lines().collect::<Vec<_>>(), lines[lines.len() - count..], "the last {count}");
    }
    for count in [1, 3] {
        let words = ["audit", "tail", "--records", &count.to_string()];
        let table = node.cli(&words).await.exits(0).out;
        assert_eq!(table.lines().count(), count + 1, "a head and {count} records:\n{table}");
        let json = node.cli(&[&words[..], &["-o", "json"]].concat()).await.exits(0).json();
        assert_eq!(json.as_array().map(Vec::len), Some(count), "{json:#}");
    }
}

#[tokio::test]
async fn a_payload_comes_from_a_file_or_a_pipe_and_a_message_from_whom_it_says() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    cluster.run_echo("echo", "demo").await;
    cluster.run_echo("friend", "demo").await;
    let file = cluster.write("question.json", "{\"echo\": \"from a file\"}\n");
    let answer = node.cli(&["agent", "ask", "echo", &format!("@{file}")]).await.exits(0).json();
    assert_eq!(answer["echo"], "from a file");
    let dir = node.dir.to_str().unwrap();
    let pipe = ["sh", "-c", "echo '{\"echo\": \"from a pipe\"}' | exec \"$0\" \"$@\""];
    let answer = symbi_after(&pipe, &["agent", "ask", "echo", "-", "--data-dir", dir]).await.exits(0).json();
    assert_eq!(answer["echo"], "from a pipe");

    let _ = node.cli(&["agent", "ask", "echo", "{\"echo\": 1}", "--from", "friend"]).await.exits(0);
    for (from, sender) in [(&["--from", "friend"][..], "friend"), (&[], "gateway-n1")] {
        let told = node.cli(&[&["agent", "tell", "echo", "1"], from].concat()).await.exits(0).json();
        let message = node.get(&format!("/api/v1/messages/{}", told["message_id"].as_str().unwrap())).await.unwrap();
        assert_eq!((&message["sender"], &message["receiver"]), (&json!(sender), &json!("echo")), "{message:#}");
    }
}
