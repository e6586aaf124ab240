//! Policies that change while agents talk and users write: in force on every node once applied, and no write is lost to it.

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use symbi_api::client::Error;
use symbi_cluster_tests::{Cluster, Node, SOON, eventually};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was answered.
    Answered,
    /// It was denied.
    Denied,
    /// Neither.
    Other,
}

/// What a cluster starts with, and `more`.
fn starter_and(more: &str) -> String {
    format!(
        "@id(\"admin\") permit (principal == User::\"admin\", action, resource);\n\
         @id(\"owners\") permit (principal is Agent, action, resource is Agent) when {{ principal.owner == resource.owner }};\n{more}"
    )
}

/// Applies policies at a node; answers the log index.
async fn apply(node: &Node, text: &str) -> u64 {
    let applied = node.post("/api/v1/policies", &json!({ "text": text })).await.expect("valid policies");
    applied["index"].as_u64().expect("an index")
}

/// Waits until a node has applied an index.
async fn has_applied(node: &Node, index: u64) {
    node.get(&format!("/api/v1/policies?at={index}")).await.expect("a node that keeps up");
}

/// Has `from` ask `to`, at a node, which sends it on to where `from` runs.
async fn ask(node: &Node, from: &str, to: &str) -> Outcome {
    let message = json!({ "kind": "ask", "payload": { "echo": 1 }, "from": from });
    let answer = node.post(&format!("/api/v1/agents/{to}/messages"), &message).await;
    match answer.as_ref().ok().and_then(|answer| answer["ending"].as_str()) {
        Some("answer") => Outcome::Answered,
        Some("denied") => Outcome::Denied,
        _ => Outcome::Other,
    }
}

#[tokio::test]
async fn a_change_is_in_force_on_each_node_that_has_applied_it_however_many_messages_race_it() {
    let cluster = Cluster::three().await;
    let mut names = vec![String::new(); 3];
    for name in ["a1", "a2", "a3"] {
        cluster.run_echo(name, "demo").await;
        let agent = cluster.agent(0, name).await.unwrap();
        let host = cluster.nodes.iter().position(|node| agent["node"] == node.name.as_str());
        names[host.expect("a running agent has a node")] = name.to_owned();
    }
    assert!(names.iter().all(|name| !name.is_empty()), "three agents are spread over three nodes: {names:?}");
    let names = &names;
    let (nodes, over) = (&cluster.nodes, AtomicBool::new(false));
    let race = |at: usize| {
        let over = &over;
        async move {
            let mut counted: BTreeMap<Outcome, u64> = BTreeMap::new();
            for turn in at.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let became = ask(&nodes[turn % 3], &names[turn % 3], &names[(turn + 1) % 3]).await;
                *counted.entry(became).or_default() += 1;
            }
            counted
        }
    };
    let silence = starter_and("@id(\"silence\") forbid (principal is Agent, action, resource);");
    // Only the receiver's side: what was under way when it was applied is judged there by the set that is then current.
    let deafness =
        starter_and("@id(\"deafness\") forbid (principal is Agent, action == Action::\"message::receive\", resource);");
    let change = async {
        for round in 0..6 {
            let forbids = if round % 2 == 0 { &silence } else { &deafness };
            let index = apply(&nodes[round % 3], forbids).await;
            for (at, node) in nodes.iter().enumerate() {
                has_applied(node, index).await;
                // Every other node may be behind: this one receives by the new set all the same.
                let asked = (0..3).filter(|from| *from != at).map(|from| ask(&nodes[from], &names[from], &names[at]));
                for became in join_all(asked).await {
                    assert_ne!(became, Outcome::Answered, "round {round}: {} has applied {index}", node.name);
                }
            }
            let all = (0..3).flat_map(|from| (0..3).map(move |to| (from, to)));
            for became in join_all(all.map(|(from, to)| ask(&nodes[from], &names[from], &names[to]))).await {
                assert_eq!(became, Outcome::Denied, "round {round}: all have applied {index}");
            }
            let index = apply(&nodes[(round + 1) % 3], &starter_and("")).await;
            for node in nodes {
                has_applied(node, index).await;
            }
            assert_eq!(ask(&nodes[0], &names[0], &names[1]).await, Outcome::Answered, "round {round}: permitted again");
        }
        over.store(true, Ordering::SeqCst);
    };
    let (counted, ()) = tokio::join!(join_all((0..6).map(race)), change);
    let total = |what| counted.iter().filter_map(|counted| counted.get(&what)).sum::<u64>();
    assert!(total(Outcome::Answered) > 20 && total(Outcome::Denied) > 20, "messages raced the changes: {counted:?}");
    cluster.chains_hold().await;
}

/// What is created while it is forbidden.
#[derive(Debug)]
struct Made {
    /// Where in the log.
    index: u64,
    /// The agent.
    name: String,
}

/// Makes agents of a nobody's, one after the other, until `over`.
async fn create(nodes: &[Node], client: usize, over: &AtomicBool) -> (Vec<Made>, u64) {
    let (mut made, mut denied) = (Vec::new(), 0);
    for turn in 0.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("c{client}-{turn}");
        let spec = json!({
            "name": name, "owner": "mallory", "program": { "command": ["true"] },
            // No node has it: they are recorded, and nothing is started.
            "placement": { "require": ["room=none"] },
        });
        match nodes[(client + turn) % 3].client().send(Method::POST, "/api/v1/agents", Some(&spec), &[]).await {
            Ok(answer) => made.push(Made { index: answer["index"].as_u64().expect("an index"), name }),
            Err(Error::Refused { code, .. }) if code == "DENIED" => denied += 1,
            Err(error) => panic!("client {client}, turn {turn}: {error:?}"),
        }
    }
    (made, denied)
}

#[tokio::test]
async fn no_write_fails_because_policies_moved_and_none_passes_that_the_current_set_denies() {
    let cluster = Cluster::three().await;
    let (nodes, over) = (&cluster.nodes, AtomicBool::new(false));
    let forbids = starter_and(
        "@id(\"mallory\") forbid (principal, action == Action::\"agent::create\", resource) when { resource.owner == \"mallory\" };",
    );
    let change = async {
        let mut changes = vec![(0, false)];
        for round in 0..24 {
            let is_forbidden = round % 2 == 0;
            let text = if is_forbidden { forbids.clone() } else { starter_and("") };
            changes.push((apply(&nodes[round % 3], &text).await, is_forbidden));
        }
        over.store(true, Ordering::SeqCst);
        changes
    };
    let clients = join_all((0..4).map(|client| create(nodes, client, &over)));
    let (changes, written) = tokio::join!(change, clients);
    let mut seen = (0, 0);
    for (made, denied) in &written {
        seen = (seen.0 + made.len(), seen.1 + denied);
        for Made { index, name } in made {
            // At the index of a change itself the place in the batch decides: before it, or after it.
            let before = changes.iter().rev().find(|(from, _)| from < index).expect("there is always one");
            let at = changes.iter().find(|(from, _)| from == index);
            let allowed = !before.1 || at.is_some_and(|at| !at.1);
            assert!(allowed, "{name} was made at {index} under the set of {}, which forbids it", before.0);
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0, "some are made and some denied: {seen:?}");
    cluster.chains_hold().await;
}

#[tokio::test]
async fn a_set_is_tried_applied_shown_tested_and_taken_back_by_the_command_line() {
    let cluster = Cluster::one().await;
    let node = &cluster.nodes[0];
    let folder = cluster.file("policies");
    std::fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let path = folder.to_str().unwrap();
    put("10-base.cedar", &starter_and(""));
    put("20-ops.cedar", "@id(\"ops\")\npermit (principal in Group::\"ops\", action, resource is Agnt);\n");
    put(
        "entities.json",
        "[{\"uid\": {\"type\": \"User\", \"id\": \"bob\"}, \"parents\": [{\"type\": \"Group\", \"id\": \"ops\"}]}]",
    );
    let wrong = node.cli(&["policy", "apply", path]).await.exits(2).says("POLICY_INVALID");
    assert!(wrong.err.contains("policies/20-ops.cedar:2:"), "{}", wrong.err);
    put("20-ops.cedar", "@id(\"ops\")\npermit (principal in Group::\"ops\", action, resource is Agent);\n");
    put("entities.json", "[{\"uid\": {\"type\": \"User\", \"id\": \"bob\"},\n \"parents\": 7}]");
    let wrong = node.cli(&["policy", "apply", path]).await.exits(2);
    assert!(wrong.err.contains("policies/entities.json:1:2: "), "{}", wrong.err);
    put(
        "entities.json",
        "[{\"uid\": {\"type\": \"User\", \"id\": \"bob\"}, \"parents\": [{\"type\": \"Group\", \"id\": \"ops\"}]}]",
    );
    let tried = node.cli(&["policy", "apply", path, "--dry-run"]).await.exits(0);
    assert!(tried.out.starts_with("valid: 3 policies, SHA-256 "), "{}", tried.out);
    let case = "[[case]]\nname = \"bob stops agents\"\nprincipal = { user = \"bob\" }\naction = \"agent::stop\"\nresource = { agent = \"x\", owner = \"o\" }\nexpect = \"allow\"\nby = \"ops\"\n";
    let cases = &cluster.write("cases.toml", case);
    let failed = node.cli(&["policy", "test", cases]).await.exits(1).says("CASES_FAILED");
    assert!(
        failed.out.contains("FAILED  bob stops agents: expected allow, found deny, no policy permits it"),
        "{failed:?}"
    );
    let _ = node
        .cli(&["policy", "test", cases, "--path", path])
        .await
        .exits(0)
        .says("ok      bob stops agents: allow, by ops");
    let applied = node.cli(&["policy", "apply", path, "-o", "json"]).await.exits(0).json();
    assert_eq!((&applied["number"], &applied["policies"]), (&json!(2), &json!(3)));
    let _ = node.cli(&["policy", "test", cases]).await.exits(0).says("1 passed, 0 failed");
    let _ = node
        .cli(&["policy", "diff", "1", "2"])
        .await
        .exits(0)
        .says("+@id(\"ops\")")
        .says("+User::\"bob\" in [Group::\"ops\"]");
    let listed = node.cli(&["policy", "ls", "-o", "json"]).await.exits(0).json();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["current"]), (Some(2), &json!(true)));
    let _ = node.cli(&["policy", "ls"]).await.exits(0).says("NUMBER").says("user:admin");
    let _ =
        node.cli(&["policy", "show"]).await.exits(0).says("// policy set 2, the current one").says("// entities.json");
    let _ = node.cli(&["policy", "rollback", "1", "--dry-run"]).await.exits(0).says("nothing was applied");
    let _ = node.cli(&["policy", "rollback", "1"]).await.exits(0).says("policy set 3 is in force from index");
    let schema = node.cli(&["policy", "schema"]).await.exits(0);
    assert!(schema.out.contains("action \"policy::apply\""), "{}", schema.out);
    put("10-base.cedar", "");
    let _ = node.cli(&["policy", "apply", path]).await.exits(7).says("LOCKOUT");
}

#[tokio::test]
async fn a_node_that_hears_of_no_leader_for_ten_seconds_permits_nothing_and_comes_back() {
    let mut cluster = Cluster::three().await;
    cluster.run_echo("echo", "demo").await;
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    let said = eventually("the node left over permits nothing", 2 * SOON, async || {
        let export = cluster.nodes[0].get("/api/v1/audit/bundle").await;
        match export {
            Err(Error::Refused { code, message, .. }) if code == "NO_LEADER" => Ok(message),
            other => anyhow::bail!("{:?}", other.map(|_: Value| ())),
        }
    })
    .await;
    assert!(said.contains("heard no leader"), "{said}");
    cluster.nodes[1].start(&[]);
    eventually("it permits again", 2 * SOON, async || {
        let applied = cluster.nodes[0].post("/api/v1/policies", &json!({ "text": starter_and("") })).await?;
        anyhow::ensure!(applied["number"].as_u64() >= Some(2), "{applied}");
        Ok(())
    })
    .await;
}
