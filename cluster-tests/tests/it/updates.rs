//! Agents are given other specifications, the ones of before, and are started anew; and keep what was acknowledged when a node dies
//! in the midst of it.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use symbi_cluster_tests::agents::Program;
use symbi_cluster_tests::{Cluster, SOON, eventually};

/// Longer than it takes to find a node dead and to place its agents elsewhere.
const MOVED: Duration = Duration::from_secs(45);

/// Writes the specification of an agent that echoes, with `COLOUR` in its environment.
fn coloured(cluster: &Cluster, name: &str, colour: &str) -> String {
    let command = Program::Echo.command();
    let text = format!(
        "name = {name:?}\nowner = \"demo\"\n[program]\ncommand = {command:?}\nenv = {{ COLOUR = {colour:?} }}\n\
         [resources]\nmemory_mb = 128\ncpu_millis = 50\n[restart]\npolicy = \"always\"\n"
    );
    cluster.write(&format!("{name}-{colour}.toml"), text)
}

/// The colour that an agent answers, asked through node `at`.
async fn colour(cluster: &Cluster, at: usize, name: &str) -> Value {
    cluster.nodes[at].cli(&["agent", "ask", name, r#"{"env": "COLOUR"}"#]).await.exits(0).json()
}

/// Waits until an agent runs under a higher epoch than `epoch`, as node `at` has it; answers what is shown of it.
async fn runs_anew(cluster: &Cluster, at: usize, name: &str, epoch: u64, within: Duration) -> Value {
    eventually("it runs under a higher epoch", within, async || {
        let agent = cluster.agent(at, name).await?;
        let now = agent["epoch"].as_u64().context("it has no epoch")?;
        ensure!(now > epoch && agent["state"] == "running", "{agent:#}");
        Ok(agent)
    })
    .await
}

#[tokio::test]
async fn an_agent_is_updated_rolled_back_restarted_and_started_again() {
    let cluster = Cluster::three().await;
    let [red, blue] = ["red", "blue"].map(|colour| coloured(&cluster, "painter", colour));
    let _ = cluster.nodes[0].cli(&["agent", "run", &red, "--wait"]).await.exits(0);
    let first = cluster.agent(0, "painter").await.unwrap();
    assert_eq!((colour(&cluster, 1, "painter").await, &first["previous_spec_hash"]), (json!("red"), &Value::Null));
    let _ = cluster.nodes[1].cli(&["agent", "rollback", "painter"]).await.exits(1).says("NO_PREVIOUS");

    // What changes is shown, and no variable's value is.
    let dry = cluster.nodes[1].cli(&["agent", "update", &blue, "--dry-run"]).await.exits(0);
    assert!(dry.out.contains("program.env.COLOUR") && !dry.out.contains("blue"), "{dry:?}");
    assert_eq!(cluster.agent(1, "painter").await.unwrap()["version"], first["version"], "nothing was written");
    let _ = cluster.nodes[2].cli(&["agent", "update", &blue, "--wait"]).await.exits(0);
    assert_eq!(colour(&cluster, 0, "painter").await, "blue");
    let second = runs_anew(&cluster, 2, "painter", first["epoch"].as_u64().unwrap(), SOON).await;
    assert_eq!(second["previous_spec_hash"], first["spec_hash"]);
    assert_eq!(second["node"], first["node"], "it goes back to the node that has its files");

    // Whoever looked before another write does not overwrite it unseen.
    let stale = first["version"].to_string();
    let _ = cluster.nodes[0].cli(&["agent", "update", &red, "--version", &stale]).await.exits(1).says("VERSION_MOVED");
    let same = cluster.nodes[0].cli(&["agent", "update", &blue]).await.exits(0);
    assert!(same.out.contains("nothing changes"), "{same:?}");
    let foreign = std::fs::read_to_string(&red).unwrap().replace("owner = \"demo\"", "owner = \"mallory\"");
    let foreign = cluster.write("foreign.toml", foreign);
    let _ = cluster.nodes[0].cli(&["agent", "update", &foreign]).await.exits(1).says("FIXED");

    let _ = cluster.nodes[1].cli(&["agent", "rollback", "painter", "--wait"]).await.exits(0);
    assert_eq!(colour(&cluster, 2, "painter").await, "red");
    let third = cluster.agent(1, "painter").await.unwrap();
    assert_eq!(
        (&third["spec_hash"], &third["previous_spec_hash"]),
        (&first["spec_hash"], &second["spec_hash"]),
        "what it had is what it has"
    );
    let _ = cluster.nodes[0].cli(&["agent", "restart", "painter", "--wait"]).await.exits(0);
    let fourth = runs_anew(&cluster, 0, "painter", third["epoch"].as_u64().unwrap(), SOON).await;
    let _ = cluster.nodes[2].cli(&["agent", "stop", "painter"]).await.exits(0);
    eventually("it is stopped", SOON, async || {
        let agent = cluster.agent(2, "painter").await?;
        ensure!(agent["state"] == "terminated", "{agent:#}");
        Ok(())
    })
    .await;
    let _ = cluster.nodes[2].cli(&["agent", "restart", "painter"]).await.exits(1).says("NOT_WANTED");
    let _ = cluster.nodes[2].cli(&["agent", "start", "painter", "--wait"]).await.exits(0);
    let fifth = runs_anew(&cluster, 2, "painter", fourth["epoch"].as_u64().unwrap(), SOON).await;
    assert_eq!((colour(&cluster, 1, "painter").await, &fifth["spec_hash"]), (json!("red"), &first["spec_hash"]));

    // The audit names each, by fields and by the spec's hash, and never by a value.
    let tail = cluster.nodes[1].cli(&["audit", "tail", "--records", "200", "-o", "json"]).await.exits(0).out;
    for kind in ["agent.update", "agent.rollback", "agent.restart", "agent.start"] {
        assert!(tail.contains(kind), "{kind} is not in {tail}");
    }
    assert!(tail.contains("program.env") && !tail.contains("COLOUR") && !tail.contains("blue"), "{tail}");
    cluster.chains_hold().await;
}

#[tokio::test]
async fn an_acknowledged_update_survives_the_death_of_the_agents_node() {
    let mut cluster = Cluster::three().await;
    let [red, blue] = ["red", "blue"].map(|colour| coloured(&cluster, "painter", colour));
    let _ = cluster.nodes[0].cli(&["agent", "run", &red, "--wait"]).await.exits(0);
    let before = cluster.agent(0, "painter").await.unwrap();
    let host = cluster.nodes.iter().position(|node| before["node"] == node.name.as_str()).expect("it is somewhere");
    let asker = (0..3).find(|node| *node != host).expect("another node");
    let _ = cluster.nodes[asker].cli(&["agent", "update", &blue]).await.exits(0);
    // Its old process is being ended, or has ended and the new one starts.
    cluster.nodes[host].kill();
    let after = runs_anew(&cluster, asker, "painter", before["epoch"].as_u64().unwrap(), MOVED).await;
    assert_eq!(after["previous_spec_hash"], before["spec_hash"], "{after:#}");
    assert_eq!(colour(&cluster, asker, "painter").await, "blue", "what was acknowledged is what runs");
    cluster.nodes[host].start(&[]);
    cluster.nodes[host].ready().await;
    cluster.nodes[asker].sees_voters(3).await;
    let settled = cluster.agent(host, "painter").await.unwrap();
    assert_eq!(settled["spec_hash"], after["spec_hash"]);
    assert_eq!(colour(&cluster, host, "painter").await, "blue");
    cluster.same_head().await;
    cluster.chains_hold().await;
}
