//! The same with real processes, in real time: what the scripted driver stands in for.

use crate::messages::answer;
use crate::world::World;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_model::agent::{AgentState, Hold};

/// An agent in shell: answers every request with its process id and the lines that it has seen.
const AGENT: &str = r#"
    seen=0
    while read -r line; do
        seen=$((seen + 1))
        id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
        printf '{"jsonrpc":"2.0","id":%s,"result":{"pid":%s,"seen":%s}}\n' "$id" "$$" "$seen"
        echo "answered $id" >&2
    done
"#;

/// The state of a process as the kernel says, such as `S` or `T`; none if there is no such process.
fn process(pid: &Value) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 20 s: {what}");
}

/// An agent in shell: it leaves a file where it starts, and answers every request with what it has found there.
const KEEPER: &str = r#"
    found=$(ls | tr '\n' ' ')
    touch mine
    while read -r line; do
        id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
        printf '{"jsonrpc":"2.0","id":%s,"result":"%s"}\n' "$id" "$found"
    done
"#;

/// The agents' directories of a node.
fn homes(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("agents")).unwrap().count()
}

async fn keeps(world: &World, name: &str) {
    world.create(name, "demo", "sh", |spec| spec.command.extend(["-c".to_owned(), KEEPER.to_owned()]));
    world.place(name, 0);
    world.until(name, AgentState::Running).await;
}

fn remove(world: &World, name: &str) {
    let remove = symbi_model::Command::RemoveAgent { name: name.parse().unwrap(), actor: "admin".to_owned() };
    assert_eq!(world.command(remove), symbi_model::Outcome::Done);
}

#[tokio::test]
async fn what_an_agent_left_goes_with_it_and_whoever_takes_its_name_finds_nothing() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let world = World::with_processes([dirs[0].path().to_owned(), dirs[1].path().to_owned()]).await;
    keeps(&world, "stays").await;
    keeps(&world, "a").await;
    assert_eq!(answer(world.ask(0, "a", json!(1)).await), json!(""));
    remove(&world, "a");
    until("its record is gone", || world.state().agents.len() == 1).await;
    keeps(&world, "a").await;
    assert_eq!(answer(world.ask(0, "a", json!(1)).await), json!(""), "another's files are not there");
    until("the first one's directory is gone", || homes(dirs[0].path()) == 2).await;

    // Placed elsewhere, it may come back; lost with its node, its files are there for its next start.
    world.condemn(0);
    until("its process is gone", || world.nodes[0].handle.running().borrow().agents == 0).await;
    world.place("a", 1);
    world.until("a", AgentState::Running).await;
    assert_eq!(homes(dirs[0].path()), 2);
}

#[tokio::test]
async fn an_agent_that_was_removed_while_its_node_was_down_leaves_nothing_once_the_node_has_caught_up() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut world = World::with_processes([dirs[0].path().to_owned(), dirs[1].path().to_owned()]).await;
    keeps(&world, "a").await;
    keeps(&world, "b").await;
    world.nodes[0].handle.shutdown().await;
    remove(&world, "a");
    world.condemn(0);
    assert_eq!(world.state().agents.len(), 1, "what is lost and to be removed is removed");
    assert_eq!(homes(dirs[0].path()), 2);
    let stranger = dirs[0].path().join("agents/notes");
    std::fs::create_dir(&stranger).unwrap();
    let driver = symbi_sandbox::Process::new(symbi_sandbox::process::Options::new(dirs[0].path())).unwrap();
    world.restart(0, driver).await;
    until("the directory is gone", || homes(dirs[0].path()) == 2).await;
    assert!(stranger.is_dir(), "what is no agent's is left alone");
    world.place("b", 0);
    world.until("b", AgentState::Running).await;
    assert_eq!(answer(world.ask(0, "b", json!(1)).await), json!("mine "));
}

#[tokio::test]
async fn a_process_lives_freezes_thaws_and_ends_with_its_agent() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let world = World::with_processes([dirs[0].path().to_owned(), dirs[1].path().to_owned()]).await;
    for (number, name) in ["near", "far"].into_iter().enumerate() {
        world.create(name, "demo", "sh", |spec| spec.command.extend(["-c".to_owned(), AGENT.to_owned()]));
        world.place(name, number);
        world.until(name, AgentState::Running).await;
    }
    let [near, far] = ["near", "far"].map(|name| world.ask(0, name, json!(1)));
    let [near, far] = [answer(near.await)["pid"].clone(), answer(far.await)["pid"].clone()];
    assert_ne!(near, far);

    world.nodes[1].granted.store(false, Ordering::SeqCst);
    world.until("far", AgentState::Suspended).await;
    until("the process group is stopped", || process(&far) == Some('T')).await;
    world.nodes[1].granted.store(true, Ordering::SeqCst);
    world.until("far", AgentState::Running).await;
    assert_eq!(answer(world.ask(0, "far", json!(2)).await), json!({ "pid": far, "seen": 3 }));

    world.command(symbi_model::Command::StopAgent { name: "near".parse().unwrap(), actor: "admin".to_owned() });
    world.until("near", AgentState::Terminated).await;
    assert_eq!((process(&near), world.agent("near").placement.unwrap().hold), (None, Hold::Released));
    world.condemn(1);
    until("the lost placement's process is gone", || process(&far).is_none()).await;
}
