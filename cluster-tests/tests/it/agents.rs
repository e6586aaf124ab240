//! Agents run, are asked from everywhere, move when their node dies, and are told apart by their owners.

use anyhow::{Context, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, SOON, eventually};

fn place_of(cluster: &Cluster, agent: &Value) -> Option<usize> {
    cluster.nodes.iter().position(|node| agent["node"] == node.name.as_str())
}

#[tokio::test]
async fn an_agent_is_run_asked_told_shown_stopped_and_removed() {
    let cluster = Cluster::three().await;
    cluster.run_echo("echo", "demo").await;
    for node in &cluster.nodes {
        let answer = node.cli(&["agent", "ask", "echo", r#"{"echo": [1, "two"]}"#]).await.exits(0).json();
        assert_eq!((&answer["echo"], &answer["agent"]), (&json!([1, "two"]), &json!("echo")));
        let told = node.cli(&["agent", "tell", "echo", &format!("{:?}", node.name)]).await.exits(0).json();
        assert_eq!(told["status"], "delivered");
    }
    let told = cluster.nodes[1].cli(&["agent", "ask", "echo", r#"{"told": null}"#]).await.exits(0).json();
    assert_eq!(told, json!(["n1", "n2", "n3"]));

    let listed = cluster.nodes[2].cli(&["agent", "ls", "-o", "json"]).await.exits(0).json();
    let line = &listed.as_array().unwrap()[0];
    let keys: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["name", "id", "state", "node", "epoch"]));
    assert_eq!((&line["name"], &line["state"]), (&json!("echo"), &json!("running")));
    let host = place_of(&cluster, line).expect("it runs somewhere");

    let _ = cluster.nodes[0].cli(&["agent", "ask", "echo", r#"{"log": "a line for the log"}"#]).await.exits(0);
    for node in &cluster.nodes {
        eventually("the log, from every node", SOON, async || {
            let logs = node.cli(&["agent", "logs", "echo"]).await;
            ensure!(logs.out.contains("a line for the log"), "{logs:?}");
            Ok(())
        })
        .await;
    }
    let elsewhere = &cluster.nodes[(host + 1) % 3];
    let why = elsewhere.cli(&["why", "agent", "echo", "-o", "json"]).await.exits(0).json();
    assert_eq!((&why["agent"], &why["node"]), (&json!("echo"), &line["node"]));
    assert_eq!(why["nodes"].as_array().map(Vec::len), Some(3), "a line for each node: {why:#}");
    let _ = elsewhere.cli(&["agent", "annotate", "echo", "ticket", "OPS-7"]).await.exits(0);
    let shown = elsewhere.cli(&["agent", "show", "echo", "-o", "json"]).await.exits(0).json();
    assert_eq!((&shown["annotations"]["ticket"], &shown["version"]), (&json!("OPS-7"), &json!(2)));

    let _ = elsewhere.cli(&["agent", "stop", "echo"]).await.exits(0);
    eventually("it is stopped", SOON, async || {
        let agent = cluster.agent(0, "echo").await?;
        ensure!(agent["state"] == "terminated", "{agent:#}");
        Ok(())
    })
    .await;
    let _ = elsewhere.cli(&["agent", "ask", "echo", "{}"]).await.exits(5).says("NOT_DELIVERED");
    let _ = elsewhere.cli(&["agent", "rm", "echo"]).await.exits(0);
    eventually("it is gone", SOON, async || {
        let shown = cluster.nodes[host].cli(&["agent", "show", "echo"]).await;
        ensure!(shown.code == 3, "{shown:?}");
        Ok(())
    })
    .await;
    cluster.chains_hold().await;
}

/// What `echo` answers by itself: its epoch, and the process that answered.
async fn answered(cluster: &Cluster, at: usize, agent: &str) -> (u64, PathBuf) {
    let answer = cluster.nodes[at].cli(&["agent", "ask", agent, r#"{"echo": 1}"#]).await.exits(0).json();
    (answer["epoch"].as_u64().unwrap(), PathBuf::from(format!("/proc/{}", answer["pid"])))
}

/// Waits until `agent` runs on another node than `lost`, as node `at` has it; answers its epoch.
async fn runs_elsewhere(cluster: &Cluster, at: usize, agent: &str, lost: usize) -> u64 {
    eventually("its agent runs elsewhere", Duration::from_secs(45), async || {
        let found = cluster.agent(at, agent).await?;
        let host = place_of(cluster, &found).context("it is nowhere")?;
        ensure!(host != lost && found["state"] == "running", "{found}");
        found["epoch"].as_u64().context("no epoch")
    })
    .await
}

async fn process_is_gone(process: &Path) {
    eventually("the old process is gone", SOON, async || {
        ensure!(!process.exists(), "{} is there", process.display());
        Ok(())
    })
    .await;
}

/// Three agents, `a1` to `a3`, one on each node; answers which is on node `at`.
async fn spread(cluster: &Cluster) -> Vec<String> {
    let mut on = vec![String::new(); 3];
    for name in ["a1", "a2", "a3"] {
        cluster.run_echo(name, "demo").await;
        let agent = cluster.agent(0, name).await.unwrap();
        on[place_of(cluster, &agent).expect("a running agent has a node")] = name.to_owned();
    }
    assert!(on.iter().all(|name| !name.is_empty()), "three agents are spread over three nodes: {on:?}");
    on
}

#[tokio::test]
async fn agents_of_a_killed_node_run_elsewhere_under_a_higher_epoch() {
    let mut cluster = Cluster::three().await;
    let on = spread(&cluster).await;
    // The node that leads is the hardest to lose: its agents are moved by a leader that must be elected first.
    let victim = cluster.leader().await;
    let (asker, agent) = ((victim + 1) % 3, &on[victim]);
    let (old_epoch, old_process) = answered(&cluster, asker, agent).await;
    cluster.nodes[victim].kill();
    process_is_gone(&old_process).await;
    let placed = runs_elsewhere(&cluster, asker, agent, victim).await;
    let (epoch, _) = answered(&cluster, asker, agent).await;
    assert!(epoch == placed && epoch > old_epoch, "{epoch} answers, {placed} is placed, it was {old_epoch}");
    cluster.nodes[victim].start(&[]);
    cluster.nodes[victim].ready().await;
    cluster.nodes[asker].sees_voters(3).await;
    assert_eq!(answered(&cluster, victim, agent).await.0, epoch, "it stays where it is when its old node returns");
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn the_agents_of_a_node_that_stops_run_elsewhere_without_its_being_condemned() {
    let mut cluster = Cluster::three().await;
    let on = spread(&cluster).await;
    // The one that leads has most to do: it hands over its lead as well.
    let leaves = cluster.leader().await;
    let (asker, agent) = ((leaves + 1) % 3, &on[leaves]);
    let (old_epoch, old_process) = answered(&cluster, asker, agent).await;
    assert_eq!(cluster.nodes[leaves].stop().await, 0);
    let ended = Instant::now();
    assert!(!old_process.exists(), "no agent outlives its node");
    let (epoch, took) = (runs_elsewhere(&cluster, asker, agent, leaves).await, ended.elapsed());
    println!("elsewhere {took:?} after the end of its node");
    assert!(epoch > old_epoch, "under {epoch} after {old_epoch}");
    let records = cluster.nodes[asker].get("/api/v1/audit?last=1000").await.expect("the audit").to_string();
    assert!(
        records.contains("node.leaving") && !records.contains("node.down"),
        "nobody had to be condemned: {records}"
    );
    assert_eq!(answered(&cluster, asker, agent).await.0, epoch);

    cluster.nodes[leaves].start(&[]);
    cluster.nodes[leaves].ready().await;
    cluster.nodes[asker].sees_voters(3).await;
    let name = cluster.nodes[leaves].name.clone();
    eventually("it takes agents again", SOON, async || {
        let listed = cluster.nodes[asker].cli(&["node", "ls", "-o", "json"]).await.exits(0).json();
        let line = listed.as_array().context("a list")?.iter().find(|node| node["name"] == name.as_str());
        ensure!(line.context("it is listed")?["state"] == "ready", "{listed:#}");
        Ok(())
    })
    .await;
    assert_eq!(answered(&cluster, leaves, agent).await.0, epoch, "what has moved stays where it is");
    cluster.same_head().await;
    cluster.chains_hold().await;
}

/// Waits until each agent answers every node, from the one process of it that there is.
async fn each_runs_once(cluster: &Cluster, agents: &[String]) {
    for agent in agents {
        let mut by = BTreeSet::new();
        for at in 0..3 {
            let found = eventually("it answers", Duration::from_secs(45), async || {
                let asked = cluster.nodes[at].cli(&["agent", "ask", agent, r#"{"echo": 1}"#]).await;
                ensure!(asked.code == 0, "{asked:?}");
                Ok(asked.json())
            });
            by.insert(found.await["pid"].to_string());
        }
        assert_eq!(by.len(), 1, "{agent} answers from one process: {by:?}");
    }
}

#[tokio::test]
async fn nodes_that_stop_without_a_majority_end_and_their_agents_run_again_once_they_are_back() {
    let mut cluster = Cluster::three().await;
    let on = spread(&cluster).await;
    let mut processes = Vec::new();
    for agent in &on {
        processes.push(answered(&cluster, 0, agent).await.1);
    }
    // Two at once: whichever says that it leaves first, the other's word needs a majority that ends meanwhile.
    let leads = cluster.leader().await;
    let [one, other, rest] = &mut cluster.nodes[..] else { panic!("three nodes") };
    let mut stopped = [one, other, rest];
    stopped.swap(leads, 0);
    let [one, other, rest] = stopped;
    assert_eq!(tokio::join!(one.stop(), other.stop()), (0, 0));
    // And one without a leader that could hear of it.
    assert_eq!(rest.stop().await, 0);
    for process in &processes {
        assert!(!process.exists(), "no agent outlives its node");
    }
    for node in &mut cluster.nodes {
        node.start(&[]);
    }
    for node in &mut cluster.nodes {
        node.ready().await;
    }
    cluster.nodes[0].sees_voters(3).await;
    each_runs_once(&cluster, &on).await;
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_node_that_stood_still_gives_up_the_agents_that_it_lost() {
    let mut cluster = Cluster::three().await;
    let on = spread(&cluster).await;
    let victim = (cluster.leader().await + 1) % 3;
    let (asker, agent) = ((victim + 1) % 3, &on[victim]);
    let (old_epoch, old_process) = answered(&cluster, asker, agent).await;
    cluster.nodes[victim].signal(Signal::STOP);
    let epoch = runs_elsewhere(&cluster, asker, agent, victim).await;
    assert!(epoch > old_epoch);
    assert!(old_process.exists(), "the old process lives on: only its node stands still");
    cluster.nodes[victim].signal(Signal::CONT);
    process_is_gone(&old_process).await;
    // Until it has heard of a leader again it permits nothing.
    cluster.nodes[victim].ready().await;
    for at in 0..3 {
        assert_eq!(answered(&cluster, at, agent).await.0, epoch);
    }
    cluster.same_head().await;
    cluster.chains_hold().await;
}

#[tokio::test]
async fn an_agent_that_fits_nowhere_waits_and_why_says_what_is_missing() {
    let cluster = Cluster::one().await;
    let huge = "name = \"huge\"\nowner = \"demo\"\n[program]\ncommand = [\"true\"]\n[resources]\nmemory_mb = 4000000\n";
    let path = cluster.write("huge.toml", huge);
    let node = &cluster.nodes[0];
    let ran = node.cli(&["agent", "run", &path, "--wait", "--timeout", "2s"]).await.exits(6);
    let _ = ran.says("why agent huge");
    let why = node.cli(&["why", "agent", "huge", "-o", "json"]).await.exits(0).json();
    let reason = why["nodes"][0]["reason"].as_str().expect("a reason for the only node");
    assert!(why["node"].is_null() && reason.contains("memory"), "{why:#}");
}

#[tokio::test]
async fn an_agent_of_another_owner_is_denied_and_any_node_explains_why() {
    let cluster = Cluster::three().await;
    cluster.run_echo("reviewer", "demo").await;
    cluster.run_echo("friend", "demo").await;
    cluster.run_echo("spy", "mallory").await;
    let nested = |to: &str| json!({ "ask": to, "payload": { "echo": 1 } }).to_string();

    // By itself, over the agent protocol.
    let allowed = cluster.nodes[0].cli(&["agent", "ask", "friend", &nested("reviewer")]).await.exits(0).json();
    assert_eq!(allowed["result"]["agent"], "reviewer");
    let refused = cluster.nodes[0].cli(&["agent", "ask", "spy", &nested("reviewer")]).await.exits(0).json();
    assert_eq!((&refused["error"]["code"], &refused["error"]["data"]["ending"]), (&json!(-32001), &json!("denied")));
    let nowhere = cluster.nodes[0].cli(&["agent", "ask", "friend", &nested("nobody")]).await.exits(0).json();
    assert_eq!(nowhere["error"]["data"]["ending"], "not_delivered", "{nowhere}");

    // On its behalf, by the command line.
    let ran = cluster.nodes[1].cli(&["agent", "ask", "reviewer", "{}", "--from", "spy"]).await.exits(4).says("DENIED");
    let decision =
        ran.err.split("why decision ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("the way on");
    for id in [decision, refused["error"]["data"]["decision"].as_str().unwrap()] {
        for node in &cluster.nodes {
            let why = node.cli(&["why", "decision", id, "-o", "json"]).await.exits(0).json();
            assert_eq!((&why["decision"], &why["verdict"]), (&json!(id), &json!("deny")));
            let words = why.to_string();
            assert!(words.contains("spy") && words.contains("reviewer") && words.contains("mallory"), "{why:#}");
        }
    }
    let sent = json!({ "kind": "ask", "payload": {}, "from": "spy" });
    let asked = cluster.nodes[2].post("/api/v1/agents/reviewer/messages", &sent).await.unwrap();
    assert_eq!(asked["ending"], "denied");
    assert!(asked["decision"].is_string() && asked["reason"].is_string() && asked["message_id"].is_string(), "{asked}");
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_as_its_specification_says() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    for (name, policy) in [("always", "always"), ("never", "never")] {
        let spec = cluster.spec(name, "demo", &Program::Echo, policy);
        let _ = node.cli(&["agent", "run", &spec, "--wait"]).await.exits(0);
        let ran = node.cli(&["agent", "ask", name, r#"{"exit": 3}"#, "--timeout", "20s"]).await;
        assert!([5, 6].contains(&ran.code), "an agent that ends gives no answer: {ran:?}");
    }
    eventually("one is started again, the other is not", SOON, async || {
        let (always, never) = (cluster.agent(0, "always").await?, cluster.agent(0, "never").await?);
        ensure!(always["state"] == "running" && always["restarts"].as_u64() >= Some(1), "{always:#}");
        ensure!(
            never["state"] == "failed" && never["detail"].as_str().is_some_and(|why| why.contains('3')),
            "{never:#}"
        );
        Ok(())
    })
    .await;
    let answer = node.cli(&["agent", "ask", "always", r#"{"echo": true}"#]).await.exits(0).json();
    assert_eq!(answer["echo"], true);
}
