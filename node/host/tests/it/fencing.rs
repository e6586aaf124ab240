//! Nothing passes under a grant that has run out or an epoch that is over; and with a condition taken away, it shows.

use crate::messages::{answer, undelivered};
use crate::programs;
use crate::world::{World, agent};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_host::{Effect, Ending, Event};
use symbi_model::Epoch;
use symbi_model::agent::AgentState;
use symbi_model::planted::{Defect, plant};

impl World {
    /// Whether an event that `wanted` describes was told on node `number`.
    fn saw(&self, number: usize, wanted: impl Fn(&Event) -> bool) -> bool {
        self.nodes[number].events.lock().unwrap().iter().any(wanted)
    }

    /// The epochs under which effects of `name` were accepted on node `number`, in order.
    fn accepted(&self, number: usize, name: &str) -> Vec<Epoch> {
        let accepted = |event: &Event| match event {
            Event::SinkAccepted { agent, epoch } if agent.as_str() == name => Some(*epoch),
            _ => None,
        };
        self.nodes[number].events.lock().unwrap().iter().filter_map(accepted).collect()
    }

    /// The epochs under which effects of `name` passed the gate of node `number`, in order.
    fn passed(&self, number: usize, name: &str) -> Vec<Epoch> {
        let passed = |event: &Event| match event {
            Event::EffectPassed { agent, epoch, .. } if agent.as_str() == name => Some(*epoch),
            _ => None,
        };
        self.nodes[number].events.lock().unwrap().iter().filter_map(passed).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_nothing_passes_and_after_eight_seconds_agents_are_suspended() {
    let world = World::new(programs::all()).await;
    world.run("relay", "demo", "relay", 0).await;
    world.run("far", "demo", "echo", 1).await;
    world.nodes[0].granted.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(7)).await;
    let reason = undelivered(world.ask(1, "relay", json!({ "to": "far", "payload": 1 })).await);
    assert!(reason.starts_with("the receiver is refused: its node has had no grant for "), "{reason}");
    assert!(world.saw(0, |event| matches!(event, Event::EffectRefused { kind: Effect::Receive, .. })));
    assert_eq!(world.agent("relay").status.unwrap().state, AgentState::Running);
    let suspended = world.until("relay", AgentState::Suspended).await;
    assert_eq!(suspended.detail, "its node has no grant");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let reason = undelivered(world.ask(0, "far", json!(1)).await);
    assert!(reason.starts_with("this node has heard no leader for 10 s"), "{reason}");

    world.nodes[0].granted.store(true, Ordering::SeqCst);
    let resumed = world.until("relay", AgentState::Running).await;
    assert_eq!((resumed.incarnation, resumed.restarts), (suspended.incarnation, 0), "the same process goes on");
    assert_eq!(answer(world.ask(1, "relay", json!({ "to": "far", "payload": 1 })).await), json!({ "answer": 1 }));
}

/// An agent was moved from n1 while n1 heard of nothing; then n1 is granted again, with its old state.
async fn returns_with_an_old_state() -> (World, Epoch, Epoch) {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    let old = world.run("relay", "demo", "relay", 0).await;
    world.nodes[0].hears.store(false, Ordering::SeqCst);
    world.nodes[0].granted.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(12)).await;
    world.condemn(0);
    let new = world.place("relay", 1);
    world.until("relay", AgentState::Running).await;
    answer(world.ask(1, "relay", json!({ "to": "far", "payload": 1 })).await);
    world.nodes[0].events.lock().unwrap().clear();
    world.nodes[0].granted.store(true, Ordering::SeqCst);
    // What it does meanwhile is looked at, and should be nothing: nothing could be awaited.
    tokio::time::sleep(Duration::from_secs(2)).await;
    (world, old, new)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_returns_with_an_old_state_does_not_act() {
    let (world, old, _) = returns_with_an_old_state().await;
    let reason = undelivered(world.ask(0, "relay", json!({ "to": "far", "payload": 1 })).await);
    assert_eq!(reason, "the receiver is refused: its gates are shut", "it was suspended, and is not resumed");
    assert_eq!(world.passed(0, "relay"), []);
    world.catch_up(0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!world.passed(0, "relay").contains(&old));
    assert_eq!(answer(world.ask(0, "relay", json!({ "to": "far", "payload": 1 })).await), json!({ "answer": 1 }));
}

#[tokio::test(start_paused = true)]
async fn without_the_read_index_condition_it_does() {
    plant(Some(Defect::GrantReadIndex));
    let (world, old, new) = returns_with_an_old_state().await;
    let _ = world.ask(0, "relay", json!({ "to": "far", "payload": 1 })).await;
    assert!(world.passed(1, "relay").contains(&new));
    assert!(world.passed(0, "relay").contains(&old), "the gate's oracle would see this");
    plant(None);
}

/// An agent was moved from n1 while n1 was frozen: its grant is still good by its own clock, and its state is old.
async fn thaws_within_its_grant() -> (World, Ending) {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("relay", "demo", "relay", 0).await;
    let ask = |number: usize| world.ask(number, "relay", json!({ "to": "far", "payload": 1 }));
    assert_eq!(answer(ask(0).await), json!({ "answer": 1 }));
    world.nodes[0].hears.store(false, Ordering::SeqCst);
    world.nodes[0].granted.store(false, Ordering::SeqCst);
    world.condemn(0);
    world.place("relay", 1);
    world.until("relay", AgentState::Running).await;
    assert_eq!(answer(ask(1).await), json!({ "answer": 1 }));
    let late = ask(0).await;
    (world, late)
}

#[tokio::test(start_paused = true)]
async fn an_old_epoch_is_refused_by_those_it_speaks_to() {
    let (world, late) = thaws_within_its_grant().await;
    let said = answer(late);
    assert_eq!(said["code"], -32002, "{said}");
    assert!(said["data"]["reason"].as_str().unwrap().starts_with("fenced: epoch 2 was overtaken"), "{said}");
    assert!(world.saw(1, |event| matches!(event, Event::SinkRefused { agent, .. } if agent.as_str() == "relay")));
    assert!(world.accepted(1, "relay").is_sorted(), "what was accepted never fell");
}

#[tokio::test(start_paused = true)]
async fn without_the_epoch_check_it_is_accepted() {
    plant(Some(Defect::EpochCheck));
    let (world, _) = thaws_within_its_grant().await;
    assert!(!world.accepted(1, "relay").is_sorted(), "the sink's oracle would see this");
    plant(None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_an_overtaken_instance_is_not_taken() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 0).await;
    assert_eq!(answer(world.ask(1, "far", json!(1)).await), json!(1));
    let taken = world.accepted(1, "far").len();
    assert_eq!(taken, 1, "the answer passed the sink of the node that asked");
    assert!(world.passed(0, "far").len() >= 3, "its start, its message, its answer");
    world.nodes[0].hears.store(false, Ordering::SeqCst);
    world.nodes[1].hears.store(false, Ordering::SeqCst);
    world.condemn(0);
    world.place("far", 1);
    world.catch_up(1);
    world.until("far", AgentState::Running).await;
    let local = world.nodes[0].handle.ask(
        symbi_host::Caller::Gateway { user: "admin".to_owned() },
        agent("far"),
        b"1".to_vec(),
        Duration::from_secs(1),
    );
    assert!(matches!(local.await.unwrap().1, Ending::Answer(_)), "n1 itself cannot know yet");
    assert_eq!(world.accepted(1, "far").len(), taken);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_sends_and_answers_after_its_grant_has_run_out_goes_nowhere() {
    let world = World::new(programs::all()).await;
    world.run("late", "demo", "late", 0).await;
    world.run("far", "demo", "echo", 1).await;
    let (ending, ()) = tokio::join!(world.ask_within(1, "late", json!("far"), Duration::from_secs(20)), async {
        world.settle().await;
        world.nodes[0].granted.store(false, Ordering::SeqCst);
    });
    assert_eq!(ending, Ending::OutcomeUnknown, "it was processed, but its answer did not leave");
    let said = world.nodes[0].handle.logs(&agent("late"), 10).unwrap().join("\n");
    assert!(said.contains("the sender is refused: its node has had no grant for"), "{said}");
    assert!(world.saw(0, |event| matches!(event, Event::EffectRefused { kind: Effect::Ask, .. })));
    assert!(world.saw(0, |event| matches!(event, Event::EffectRefused { kind: Effect::Answer, .. })));
    assert_eq!(world.accepted(1, "late"), []);
}
