//! Every exit code that a client verb can give, as the command line documents them.
//!
//! 20 to 29 are in [`crate::joins`], 7 (refused to protect the cluster) in [`crate::removal`] and [`crate::policies`], 130 in
//! [`crate::flags`].

use symbi_api::client::Error;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, SOON, eventually, free_port, symbi};

#[tokio::test]
async fn verbs_end_with_the_documented_codes() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    cluster.run_echo("echo", "demo").await;
    cluster.run_echo("spy", "mallory").await;
    let taken = cluster.spec("echo", "another", &Program::Echo, "always");
    let misspelt = cluster.write(
        "misspelt.toml",
        "name = \"x\"\nowner = \"o\"\n[program]\ncommand = [\"true\"]\n[resources]\nmemory = 1\n",
    );
    let wrong_type = cluster.write("type.toml", "name = \"x\"\nowner = 7\n[program]\ncommand = [\"true\"]\n");
    let nowhere = format!("127.0.0.1:{}", free_port());
    let wrong_token = cluster.write("wrong.token", "symbi-admin-0000\n");
    let unknown_decision = format!("{}-01890000-0000-7000-8000-000000000000", "00".repeat(4));
    let sleep = r#"{"sleep": 20}"#;

    let table: &[(i32, &[&str], &str)] = &[
        (0, &["version"], "symbi-node"),
        (0, &["agent", "ls"], "echo"),
        (0, &["policy", "show"], "same-owner-may-message"),
        (0, &["policy", "show", "1", "-o", "json"], "\"current\": true"),
        (0, &["audit", "tail", "--records", "3"], "agent."),
        (1, &["agent", "run", &taken], "NAME_TAKEN"),
        (1, &["agent", "run", "/no/such/file.toml"], "FILE"),
        (2, &["agent", "frobnicate"], "USAGE"),
        (2, &["agent", "ask", "echo", "no json"], "PAYLOAD"),
        (2, &["agent", "run", &misspelt], "did you mean `memory_mb`?"),
        (2, &["agent", "run", &wrong_type], "invalid type"),
        (3, &["agent", "show", "nobody"], "NOT_FOUND"),
        (3, &["agent", "stop", "nobody"], "NOT_FOUND"),
        (3, &["agent", "annotate", "nobody", "k", "v"], "NOT_FOUND"),
        (3, &["policy", "show", "99"], "NOT_FOUND"),
        (3, &["token", "revoke", "ffffffffffff"], "NOT_FOUND"),
        (3, &["why", "decision", &unknown_decision], "NOT_FOUND"),
        (4, &["agent", "ask", "echo", "{}", "--from", "spy"], "DENIED"),
        (4, &["agent", "tell", "echo", "{}", "--from", "spy"], "DENIED"),
        (5, &["agent", "ask", "nobody", "{}"], "NOT_DELIVERED"),
        (6, &["agent", "ask", "echo", sleep, "--timeout", "1s"], "DEADLINE_EXCEEDED"),
    ];
    for (code, verb, says) in table {
        let ran = if verb[0] == "version" { symbi(verb).await } else { node.cli(verb).await };
        let ran = ran.exits(*code).says(says);
        if *code > 2 {
            assert!(ran.err.starts_with("error["), "{verb:?} says what, and may say why and the way on: {}", ran.err);
        }
    }
    let token = node.dir.join("admin.token");
    let token = token.to_str().unwrap();
    let _ = symbi(&["agent", "ls", "--addr", &nowhere, "--api-token-file", token]).await.exits(5).says("UNREACHABLE");
    let http = node.http.to_string();
    let _ = symbi(&["agent", "ls", "--addr", &http, "--api-token-file", &wrong_token])
        .await
        .exits(4)
        .says("UNAUTHENTICATED");
    let _ =
        symbi(&["agent", "ls", "--addr", &http, "--data-dir", "/no/such/dir"]).await.exits(4).says("UNAUTHENTICATED");
    // The unix socket lets the node's own user in without a token, and is found by the data directory.
    let _ = symbi(&["agent", "ls", "--data-dir", node.dir.to_str().unwrap()]).await.exits(0).says("echo");
}

#[tokio::test]
async fn without_a_majority_writes_and_reads_end_with_5_and_status_still_answers() {
    let mut cluster = Cluster::three().await;
    cluster.nodes[0].kill();
    cluster.nodes[1].kill();
    let node = &cluster.nodes[2];
    eventually("a write finds no quorum", SOON, async || {
        let ran = node.cli(&["token", "create", "--timeout", "2s"]).await;
        // At first it may still reach for a leader that has just died: then nobody knows (6).
        anyhow::ensure!(ran.code == 5, "{ran:?}");
        Ok(ran.says("NO_LEADER"))
    })
    .await;
    assert!(node.get("/api/v1/agents?consistency=local").await.is_ok(), "what it has, it tells for some seconds");
    let no_leader = |error: &Error| matches!(error, Error::Refused { status: 503, code, .. } if code == "NO_LEADER");
    let refused = node.get("/api/v1/agents?consistency=linearizable").await;
    assert!(refused.as_ref().is_err_and(no_leader), "{refused:?}");
    eventually("what it has may be stale, and a token opens nothing", SOON, async || {
        let local = node.get("/api/v1/agents?consistency=local").await;
        anyhow::ensure!(local.as_ref().is_err_and(no_leader), "{local:?}");
        Ok(())
    })
    .await;
    // The gate decides nothing by now, and that is no denial.
    for verb in [&["agent", "ls"][..], &["agent", "stop", "a"], &["token", "create"], &["agent", "ask", "a", "1"]] {
        let _ = node.cli(verb).await.exits(5).says("NO_LEADER");
    }
    let _ = node.cli(&["cluster", "status"]).await.exits(5).says("NO_LEADER");
    // Who may read the node's disk reads what the node knows, on its socket.
    let dir = node.dir.to_str().unwrap();
    let status = symbi(&["cluster", "status", "-o", "json", "--data-dir", dir]).await.exits(0).json();
    assert!(status["leader"].is_null(), "{status:#}");
    let _ = symbi(&["node", "ls", "--data-dir", dir]).await.exits(0).says("n1");
    let _ = symbi(&["audit", "tail", "--data-dir", dir]).await.exits(0);
    let _ = symbi(&["agent", "ls", "--data-dir", dir]).await.exits(5).says("NO_LEADER");
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
    cluster.nodes[2].still_works().await;
}

#[tokio::test]
async fn a_node_that_lost_its_database_does_not_start_and_says_the_way_out() {
    let mut cluster = Cluster::one().await;
    assert_eq!(cluster.nodes[0].stop().await, 0);
    std::fs::rename(cluster.nodes[0].dir.join("db"), cluster.file("db-kept")).unwrap();
    cluster.nodes[0].start(&[]);
    assert_eq!(cluster.nodes[0].end().await, 10);
    let text = cluster.nodes[0].stderr();
    assert!(text.contains("error[DATABASE_LOST]") && text.contains("  fix: "), "{text}");
    assert!(!cluster.nodes[0].dir.join("db").exists(), "it makes nothing anew");
    std::fs::rename(cluster.file("db-kept"), cluster.nodes[0].dir.join("db")).unwrap();
    cluster.nodes[0].start(&[]);
    cluster.nodes[0].ready().await;
}
