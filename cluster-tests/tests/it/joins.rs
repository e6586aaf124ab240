//! Joins that must fail, each with its own exit code, and what is left of them: nothing.

use anyhow::ensure;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use symbi_cluster_tests::{Cluster, Node, Ran, SOON, eventually, free_port, symbi, symbi_after};
use symbi_model::{ClusterId, TokenId};
use symbi_net::{Handle, Identity, Options, Roster, tcp};
use symbi_proto::Versions;
use symbi_proto::join::{Member, VERSIONS, welcome};
use symbi_proto::token::JoinToken;
use symbi_proto::wire::join::{Refused, RefusedCode};
use symbi_proto::wire::{JoinReply, JoinRequest};

/// Starts `node` as a joiner that is expected to end by itself.
async fn join(node: &Node, addresses: &str, token: &str) -> Ran {
    let arguments = node.arguments(&["--join", addresses, "--token", token]);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    symbi(&words).await
}

async fn token(cluster: &Cluster, more: &[&str]) -> Value {
    let words: Vec<&str> = ["token", "create", "-o", "json"].iter().chain(more).copied().collect();
    cluster.nodes[0].cli(&words).await.exits(0).json()
}

/// Nothing of a failed join is left in the cluster.
async fn nobody_came(cluster: &Cluster) {
    let nodes = cluster.nodes[0].cli(&["node", "ls", "-o", "json"]).await.exits(0).json();
    assert_eq!(nodes.as_array().map(Vec::len), Some(cluster.nodes.len()), "{nodes:#}");
}

#[tokio::test]
async fn of_two_joins_with_a_token_of_one_use_exactly_one_wins() {
    let mut cluster = Cluster::one().await;
    let made = token(&cluster, &[]).await;
    let (text, seed) = (made["token"].as_str().unwrap(), cluster.nodes[0].listen.to_string());
    let mut pair = [cluster.stranger("twin-a"), cluster.stranger("twin-b")];
    for node in &mut pair {
        node.start(&["--join", &seed, "--token", text]);
    }
    let loser = eventually("one of two joins is refused", SOON, async || {
        let ended: Vec<Option<i32>> = pair.iter_mut().map(Node::ended).collect();
        ended.iter().position(Option::is_some).ok_or_else(|| anyhow::anyhow!("both run"))
    })
    .await;
    let [one, two] = pair;
    let (mut lost, mut won) = if loser == 0 { (one, two) } else { (two, one) };
    assert_eq!(lost.end().await, 24, "{}", lost.stderr());
    assert!(lost.stderr().contains("error[JOIN_TOKEN]") && lost.stderr().contains("spent"), "{}", lost.stderr());
    won.ready().await;
    cluster.nodes.push(won);
    nobody_came(&cluster).await;
    let tokens = cluster.nodes[0].cli(&["token", "ls", "-o", "json"]).await.exits(0).json();
    let line = tokens.as_array().unwrap().iter().find(|line| line["id"] == made["id"]).unwrap();
    assert_eq!((&line["state"], &line["used"]), (&Value::from("used"), &Value::from(1)));
}

#[tokio::test]
async fn a_join_that_was_killed_at_any_moment_goes_on_with_the_same_command() {
    let mut cluster = Cluster::one().await;
    let seed = cluster.nodes[0].listen.to_string();
    for lived_ms in [20, 40, 60, 80, 120, 200] {
        let made = token(&cluster, &[]).await;
        let arguments = ["--join", &seed, "--token", made["token"].as_str().unwrap()];
        let mut node = cluster.newcomer();
        node.start(&arguments);
        // The moment of the fault, not a condition: somewhere in the eight phases.
        tokio::time::sleep(Duration::from_millis(lived_ms)).await;
        node.kill();
        node.start(&arguments);
        node.ready().await;
        cluster.nodes.push(node);
    }
    nobody_came(&cluster).await;
    for node in &cluster.nodes {
        node.sees_voters(5).await;
    }
    cluster.same_head().await;
}

#[tokio::test]
async fn a_join_that_cannot_be_says_why_and_leaves_nothing() {
    let cluster = Cluster::one().await;
    let (seed, good) = (cluster.nodes[0].listen.to_string(), cluster.join_token.clone());
    let other = Cluster::one().await;
    let id: ClusterId = cluster.nodes[0].status().await.unwrap()["cluster"]["id"].as_str().unwrap().parse().unwrap();
    let known: TokenId = good.parse::<JoinToken>().unwrap().id;
    let wrong_secret = JoinToken::new("symbi", id, known, [7; 32]).to_string();
    let unknown = JoinToken::new("symbi", id, TokenId([7; 6]), [7; 32]).to_string();
    let closed = format!("127.0.0.1:{}", free_port());
    let revoked = token(&cluster, &[]).await;
    let _ = cluster.nodes[0].cli(&["token", "revoke", revoked["id"].as_str().unwrap()]).await.exits(0);
    let expired = token(&cluster, &["--ttl", "1s"]).await;
    eventually("the token expires", SOON, async || {
        let tokens = cluster.nodes[0].get("/api/v1/tokens").await?;
        ensure!(tokens.as_array().into_iter().flatten().any(|line| line["state"] == "expired"), "{tokens}");
        Ok(())
    })
    .await;

    let table: &[(&str, &str, &str, i32, &str)] = &[
        ("n2", "no-such-host.invalid:7400", &good, 20, "JOIN_RESOLVE"),
        ("n2", &closed, &good, 21, "JOIN_DIAL"),
        ("n2", &seed, &other.join_token, 22, "JOIN_CLUSTER_MISMATCH"),
        ("n2", &seed, &wrong_secret, 22, "JOIN_CLUSTER_MISMATCH"),
        ("n2", &seed, &good[..good.len() - 9], 24, "JOIN_TOKEN"),
        ("n2", &seed, "", 24, "JOIN_TOKEN"),
        ("n2", &seed, &unknown, 24, "does not know"),
        ("n2", &seed, revoked["token"].as_str().unwrap(), 24, "revoked"),
        ("n2", &seed, expired["token"].as_str().unwrap(), 24, "expired"),
        ("n1", &seed, &good, 27, "JOIN_NAME"),
    ];
    for (row, (name, address, token, code, says)) in table.iter().enumerate() {
        // n1 stands for a machine elsewhere that has taken the name: its directory is its own.
        let mut node = cluster.stranger(&format!("row-{row}"));
        node.name = (*name).to_owned();
        let ran = join(&node, address, token).await.exits(*code).says(says);
        assert!(ran.err.contains("  fix: "), "row {row} names a way out: {}", ran.err);
        assert!(!node.dir.join("cluster.json").exists(), "row {row}");
    }
    nobody_came(&cluster).await;

    // The second address is tried when nobody answers at the first.
    let mut late = cluster.stranger("late");
    late.start(&["--join", &format!("{closed},{seed}"), "--token", &good]);
    late.ready().await;
    cluster.nodes[0].still_works().await;
}

#[tokio::test]
async fn a_node_that_advertises_an_address_where_nobody_reaches_it_is_not_admitted() {
    let cluster = Cluster::one().await;
    let seed = cluster.nodes[0].listen.to_string();
    let elsewhere = cluster.stranger("elsewhere");
    let closed = format!("127.0.0.1:{}", free_port());
    // Nobody is there, and somebody else is.
    for address in [&closed, &seed] {
        let flags = ["--join", &seed, "--token", &cluster.join_token, "--advertise-addr", address];
        let arguments = elsewhere.arguments(&flags);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let _ = symbi(&words).await.exits(23).says("JOIN_ADVERTISE_UNREACHABLE").says(address);
    }
    nobody_came(&cluster).await;
    // The use was not spent, and the same directory joins once it says where it is.
    let mut node = elsewhere;
    node.start(&["--join", &seed, "--token", &cluster.join_token]);
    node.ready().await;
    cluster.nodes[0].still_works().await;
}

/// A member of this process, which welcomes whoever says hello with its token, and then refuses it for this reason.
async fn refusing(code: RefusedCode, versions: Versions) -> (Handle, String) {
    let identity = Identity::from_seed([9; 32]);
    let id = "0192aaaa-0000-7000-8000-000000000000".parse().expect("a UUID");
    let (member, cluster) = (identity.node(), ClusterId(id));
    let token = JoinToken::new("symbi", cluster, TokenId([7; 6]), [8; 32]);
    let (text, verifier) = (token.to_string(), token.verifier());
    let transport = tcp(&identity);
    let options = Options::new(([127, 0, 0, 1], 0).into());
    let started = symbi_net::start(options, identity, transport, Roster::default()).await;
    let (handle, mut inbox) = started.expect("a free port");
    tokio::spawn(async move {
        while let Some(call) = inbox.joins.recv().await {
            let refused = JoinReply::Refused(Refused { code, detail: "as the test wants it".to_owned() });
            let answer = match JoinRequest::decode(&call.body).expect("a request") {
                JoinRequest::Hello(hello) => {
                    let here = Member { node: member, cluster, cluster_name: "symbi".to_owned() };
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
                    let welcomed = welcome(&here, call.from, hello, verifier, [1; 32], now as u64);
                    let (_, mut reply) = welcomed.expect("a good hello");
                    reply.versions = versions;
                    JoinReply::Hello(reply)
                }
                _ => refused,
            };
            let _ = call.reply.send(answer.encode().into());
        }
    });
    (handle, text)
}

#[tokio::test]
async fn what_only_another_member_could_refuse_has_its_exit_code_too() {
    let cluster = Cluster::one().await;
    let later = Versions { min: 7, max: 9 };
    let cases = [
        (RefusedCode::Busy, later, 26, vec!["JOIN_VERSION", "versions 7 to 9", "this program version 2"]),
        (RefusedCode::Version, VERSIONS, 26, vec!["JOIN_VERSION", "as the test wants it"]),
        (RefusedCode::ClusterFull, VERSIONS, 7, vec!["CLUSTER_FULL", "as the test wants it"]),
        (RefusedCode::DialBack, VERSIONS, 23, vec!["JOIN_ADVERTISE_UNREACHABLE", "as the test wants it"]),
    ];
    for (number, (code, versions, exit, says)) in cases.into_iter().enumerate() {
        let (member, token) = refusing(code, versions).await;
        let node = cluster.stranger(&format!("refused-{number}"));
        let mut ran = join(&node, &member.listen_addr().to_string(), &token).await.exits(exit);
        for text in says {
            ran = ran.says(text);
        }
        assert!(ran.err.contains("  fix: ") && ran.err.contains("  undo: "), "{}", ran.err);
        member.shutdown().await;
    }
}

#[tokio::test]
async fn a_directory_of_another_cluster_is_refused_and_left_as_it_was() {
    let mut ours = Cluster::one().await;
    let theirs = Cluster::one().await;
    assert_eq!(ours.nodes[0].stop().await, 0);
    let before = std::fs::read(ours.nodes[0].dir.join("cluster.json")).unwrap();
    let seed = theirs.nodes[0].listen.to_string();
    let ran = join(&ours.nodes[0], &seed, &theirs.join_token).await.exits(29);
    let _ = ran.says("JOIN_DATA_DIR").says("another cluster");
    assert_eq!(std::fs::read(ours.nodes[0].dir.join("cluster.json")).unwrap(), before);
    ours.nodes[0].start(&[]);
    ours.nodes[0].ready().await;
    nobody_came(&theirs).await;
}

#[tokio::test]
async fn a_clock_an_hour_off_is_refused() {
    if Command::new("faketime").args(["-f", "+1h", "true"]).output().is_err() {
        eprintln!(
            "skipped: 'faketime' is not installed (apt-get install faketime), and nothing else shifts one process's clock"
        );
        return;
    }
    let cluster = Cluster::one().await;
    let seed = cluster.nodes[0].listen.to_string();
    for (shift, says) in [("+1h", "ahead of"), ("-1h", "behind")] {
        let node = cluster.stranger(&format!("clock{}", if shift.starts_with('+') { "-fast" } else { "-slow" }));
        let arguments = node.arguments(&["--join", &seed, "--token", &cluster.join_token]);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let _ = symbi_after(&["faketime", "-f", shift], &words).await.exits(25).says("JOIN_CLOCK").says(says);
    }
    nobody_came(&cluster).await;
    cluster.nodes[0].still_works().await;
}
