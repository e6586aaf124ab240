//! Bounds: how many messages an agent is given, how many wait, and what becomes of the others. The mailbox holds four.

use crate::messages::answer;
use crate::programs;
use crate::world::World;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use symbi_host::{Ending, TellStatus};
use symbi_model::agent::{AgentState, Restart};
use symbi_sandbox::driver::STDIN_LINES;

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_holds_senders_back_until_their_deadline() {
    let world = World::new(programs::all()).await;
    for (name, number) in [("near", 0), ("far", 1)] {
        world.run(name, "demo", "mute", number).await;
        // One is handed over, four are in the mailbox, the next waits in line.
        for count in 0..5 {
            assert_eq!(world.tell(0, name, json!(count)).await, TellStatus::Delivered);
        }
        let waited = tokio::time::Instant::now();
        match world.tell(0, name, json!(5)).await {
            TellStatus::NotDelivered { reason } => assert_eq!(reason, "its mailbox stayed full until the deadline"),
            other => panic!("{other:?}"),
        }
        assert!(waited.elapsed() >= Duration::from_secs(5));
        let ending = world.ask_within(0, name, json!(6), Duration::from_secs(2)).await;
        assert_eq!(ending, Ending::DeadlineExceeded { delivered: false });
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_before_a_mailbox_is_bounded_too() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "mute", 0).await;
    let (_, endings) = tokio::join!(world.ask(0, "near", json!("handed over")), async {
        world.settle().await;
        join_all((0..12).map(|number| world.ask(0, "near", json!(number)))).await
    });
    let refused = |ending: &&Ending| matches!(ending, Ending::NotDelivered { .. });
    assert_eq!(endings.iter().filter(refused).count(), 4, "eight wait: {endings:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_and_not_answered_in_time_was_delivered() {
    let world = World::new(programs::all()).await;
    world.run("near", "demo", "mute", 0).await;
    world.run("far", "demo", "mute", 1).await;
    for to in ["near", "far"] {
        let ending = world.ask_within(0, to, json!(1), Duration::from_secs(1)).await;
        assert_eq!(ending, Ending::DeadlineExceeded { delivered: true });
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_an_agents_input_was_not_delivered() {
    const MORE: usize = 3;
    let world = World::with_large_mailboxes(programs::all()).await;
    for (name, number) in [("near", 0), ("far", 1)] {
        world.create(name, "demo", "deaf", |spec| spec.max_in_flight = 100);
        world.place(name, number);
        world.until(name, AgentState::Running).await;
        let asks = (0..STDIN_LINES + MORE).map(|_| world.ask_within(0, name, json!(1), Duration::from_secs(1)));
        let endings = join_all(asks).await;
        let ended = |delivered| {
            let how = Ending::DeadlineExceeded { delivered };
            endings.iter().filter(|ending| **ending == how).count()
        };
        assert_eq!((ended(true), ended(false)), (STDIN_LINES, MORE), "{endings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_given_as_many_messages_as_its_spec_allows() {
    let world = World::new(programs::all()).await;
    world.create("two", "demo", "mute", |spec| spec.max_in_flight = 2);
    world.place("two", 1);
    world.until("two", AgentState::Running).await;
    let asks = (0..3).map(|number| world.ask_within(0, "two", json!(number), Duration::from_secs(1)));
    let endings = join_all(asks).await;
    let delivered = |ending: &&Ending| **ending == Ending::DeadlineExceeded { delivered: true };
    assert_eq!(endings.iter().filter(delivered).count(), 2, "{endings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_bounded_in_bytes_too() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("near", "demo", "mute", 0).await;
    let payload = Value::String("x".repeat((1 << 20) - 2));
    // Sixteen of one mebibyte are in the mailbox, and as many in the line before it, until the first is handed over.
    let told = join_all((0..40).map(|_| world.tell(0, "near", payload.clone()))).await;
    let full = |status: &&TellStatus| matches!(status, TellStatus::NotDelivered { reason } if reason.ends_with("and the line before it are full"));
    assert_eq!(told.iter().filter(|status| **status == TellStatus::Delivered).count(), 17, "{told:?}");
    assert_eq!(told.iter().filter(full).count(), 40 - 32, "{told:?}");
}

/// Asks `to` something of little patience, and expects no answer.
async fn ask_in_vain(world: &World, to: &str) {
    let ending = world.ask_within(0, to, json!("ignore"), Duration::from_secs(1)).await;
    assert_eq!(ending, Ending::DeadlineExceeded { delivered: true });
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_answer_makes_way_at_its_deadline() {
    let world = World::new(programs::all()).await;
    for (name, number) in [("near", 0), ("far", 1)] {
        world.run(name, "demo", "picky", number).await;
        for count in 0..4 {
            ask_in_vain(&world, name).await;
            assert_eq!(answer(world.ask(0, name, json!(count)).await), json!(count));
        }
        assert_eq!(world.agent(name).status.unwrap().restarts, 0, "it answers what comes between");
    }
}

/// Runs an agent that has a second for an answer, and answers nothing to "ignore".
async fn picky(world: &World, restart: Restart) {
    world.create("near", "demo", "picky", |spec| (spec.restart, spec.answer_within_ms) = (restart, 1_000));
    world.place("near", 0);
    world.until("near", AgentState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_leaves_three_messages_in_a_row_unanswered_is_unresponsive_and_restarted() {
    let world = World::new(programs::all()).await;
    picky(&world, Restart::Always).await;
    for _ in 0..3 {
        ask_in_vain(&world, "near").await;
    }
    let status = world.until_status("near", |status| status.state == AgentState::Waiting).await;
    assert!(status.detail.starts_with("unresponsive: 3 messages in a row"), "{}", status.detail);
    world.until_status("near", |status| status.state == AgentState::Running && status.restarts == 1).await;
    assert_eq!(answer(world.ask(0, "near", json!(1)).await), json!(1));
}

#[tokio::test(start_paused = true)]
async fn an_unresponsive_agent_that_is_never_restarted_has_failed() {
    let world = World::new(programs::all()).await;
    picky(&world, Restart::Never).await;
    for _ in 0..3 {
        ask_in_vain(&world, "near").await;
    }
    assert!(world.until("near", AgentState::Failed).await.detail.starts_with("unresponsive: "));
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_late_or_was_given_no_time_is_not_unresponsive() {
    let world = World::new(programs::all()).await;
    world.run("slow", "demo", "slow", 0).await;
    for _ in 0..4 {
        ask_in_vain(&world, "slow").await;
        // Its answer comes a second after the deadline.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    world.run("mute", "demo", "mute", 0).await;
    for _ in 0..6 {
        world.ask_within(0, "mute", json!(1), Duration::from_millis(50)).await;
    }
    world.settle().await;
    for name in ["slow", "mute"] {
        let status = world.agent(name).status.unwrap();
        assert_eq!((status.state, status.restarts), (AgentState::Running, 0), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn askers_of_little_patience_do_not_end_an_agent_that_takes_its_time() {
    let world = World::new(programs::all()).await;
    world.run("slow", "demo", "slow", 0).await;
    for _ in 0..3 {
        let ending = world.ask_within(0, "slow", json!(1), Duration::from_millis(600)).await;
        assert_eq!(ending, Ending::DeadlineExceeded { delivered: true });
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = world.agent("slow").status.unwrap();
    assert_eq!((status.state, status.restarts), (AgentState::Running, 0));
    assert_eq!(answer(world.ask(0, "slow", json!(2)).await), json!(2));
}

#[tokio::test(start_paused = true)]
async fn how_long_askers_wait_does_not_keep_an_agent_alive_that_answers_nothing() {
    let world = World::new(programs::all()).await;
    world.create("mute", "demo", "mute", |spec| (spec.max_in_flight, spec.answer_within_ms) = (3, 1_000));
    world.place("mute", 0);
    world.until("mute", AgentState::Running).await;
    let asked = tokio::time::Instant::now();
    join_all((0..3).map(|number| world.ask_within(0, "mute", json!(number), Duration::from_secs(300)))).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "it was ended after {:?}", asked.elapsed());
    world.until_status("mute", |status| status.state == AgentState::Running && status.restarts == 1).await;
}
