//! What becomes of messages when their receiver ends under them.

use crate::messages::{answer, undelivered};
use crate::programs;
use crate::world::{Direction, World, agent};
use serde_json::json;
use std::time::Duration;
use symbi_host::{Ending, TellStatus};
use symbi_model::agent::AgentState;

#[tokio::test(start_paused = true)]
async fn a_receiver_that_dies_of_a_message_leaves_its_outcome_unknown() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "fragile", 0).await;
    world.run("far", "demo", "fragile", 1).await;
    for to in ["near", "far"] {
        assert_eq!(world.ask(0, to, json!("kill")).await, Ending::OutcomeUnknown);
    }
}

#[tokio::test(start_paused = true)]
async fn what_still_waits_when_the_receiver_dies_was_not_delivered() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "mute", 1).await;
    let (first, second, ()) = tokio::join!(
        world.ask(0, "far", json!(1)),
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            world.ask(0, "far", json!(2)).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.command(symbi_model::Command::StopAgent { name: agent("far"), actor: "admin".to_owned() });
        }
    );
    assert_eq!(first, Ending::OutcomeUnknown);
    assert!(undelivered(second).starts_with("the receiver ended: "));
}

#[tokio::test(start_paused = true)]
async fn the_session_with_a_restarted_receiver_is_set_up_anew_and_nobody_notices() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "fragile", 1).await;
    assert_eq!(answer(world.ask(0, "far", json!("spare")).await), json!("spared"));
    assert_eq!(world.ask(0, "far", json!("kill")).await, Ending::OutcomeUnknown);
    world.until("far", AgentState::Waiting).await;
    world.until("far", AgentState::Running).await;
    assert_eq!(answer(world.ask(0, "far", json!("spare")).await), json!("spared"));
}

#[tokio::test(start_paused = true)]
async fn the_session_with_a_receiver_that_moved_is_set_up_anew() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("relay", "demo", "relay", 0).await;
    let ask = || world.ask(0, "relay", json!({ "to": "far", "payload": 1 }));
    assert_eq!(answer(ask().await), json!({ "answer": 1 }));
    world.condemn(1);
    let epoch = world.place("far", 1);
    world.until_status("far", |status| status.epoch == epoch && status.state == AgentState::Running).await;
    assert_eq!(answer(ask().await), json!({ "answer": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_after_delivery_leaves_the_outcome_unknown() {
    let world = World::new(programs::all()).await;
    for to in ["asked", "told"] {
        world.run(to, "demo", "mute", 1).await;
        world.tell(0, to, json!("so that there is a session")).await;
    }
    *world.nodes[0].direction.lock().unwrap() = Direction::BreaksAfter;
    *world.nodes[1].direction.lock().unwrap() = Direction::Cut;
    assert_eq!(world.ask(0, "asked", json!(1)).await, Ending::OutcomeUnknown, "and no word of it comes back");
    assert_eq!(world.tell(0, "told", json!(2)).await, TellStatus::Unknown);
    let again = world.tell(0, "told", json!(3)).await;
    assert!(matches!(again, TellStatus::NotDelivered { .. }), "no session, no message: {again:?}");
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_message_is_known_if_any_word_of_it_comes_back() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "mute", 1).await;
    world.run("echo", "demo", "echo", 1).await;
    for to in ["far", "echo"] {
        world.tell(0, to, json!("so that there is a session")).await;
    }
    *world.nodes[0].direction.lock().unwrap() = Direction::BreaksAfter;
    assert_eq!(answer(world.ask(0, "echo", json!(1)).await), json!(1));
    // The other one is still busy with what it was told.
    assert_eq!(world.ask(0, "far", json!(1)).await, Ending::DeadlineExceeded { delivered: false });
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_the_way_back() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    assert_eq!(answer(world.ask(0, "far", json!(1)).await), json!(1));
    *world.nodes[1].direction.lock().unwrap() = Direction::Cut;
    let (ending, ()) = tokio::join!(world.ask(0, "far", json!(2)), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        *world.nodes[1].direction.lock().unwrap() = Direction::Open;
    });
    assert_eq!(answer(ending), json!(2));
    assert_eq!(answer(world.ask(0, "far", json!(3)).await), json!(3), "in the same session");
    assert_eq!(world.sent().len(), 4, "a hello and three messages");
}

#[tokio::test(start_paused = true)]
async fn an_ask_of_an_agent_whose_node_was_condemned_does_not_wait_for_its_deadline() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "mute", 1).await;
    let began = tokio::time::Instant::now();
    let (ending, ()) = tokio::join!(world.ask_within(0, "far", json!(1), Duration::from_secs(300)), async {
        world.settle().await;
        *world.nodes[1].direction.lock().unwrap() = Direction::Cut;
        world.condemn(1);
    });
    assert_eq!(ending, Ending::OutcomeUnknown);
    assert!(began.elapsed() < Duration::from_secs(5));
}
