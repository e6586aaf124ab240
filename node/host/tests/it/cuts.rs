//! A way to a receiver's node that is cut: what has not left waits for the next one, and takes nothing from others.

use crate::crowds::{numbers, tell_all};
use crate::messages::{answer, undelivered};
use crate::programs;
use crate::world::{Direction, World, agent};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use symbi_host::{Caller, Ending, TellStatus};
use symbi_model::Command;
use symbi_model::agent::AgentState;
use symbi_proto::wire::MessageFrame;
use symbi_proto::wire::message::Parting;
use tokio::time::timeout;

fn set(world: &World, direction: Direction) {
    *world.nodes[0].direction.lock().unwrap() = direction;
}

#[tokio::test(start_paused = true)]
async fn what_has_not_left_waits_for_the_next_connection_and_keeps_its_order() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    // Once without a session, once with one.
    for first in [0, 8] {
        set(&world, Direction::Cut);
        let (early, late) = tokio::join!(tell_all(&world, "far", first..first + 4), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let (late, ()) = tokio::join!(tell_all(&world, "far", first + 4..first + 8), async {
                world.settle().await;
                set(&world, Direction::Open);
            });
            late
        });
        assert!(early.iter().chain(&late).all(|status| *status == TellStatus::Delivered), "{early:?} {late:?}");
    }
    assert_eq!(numbers(&world, 1, "far", 16).await, (0..16).collect::<Vec<_>>());
}

/// A world in which `far` logs the numbers that it is told, and was told 0: so there is a session with it.
async fn with_session() -> World {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    assert_eq!(tell_all(&world, "far", 0..1).await, [TellStatus::Delivered]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_comes_once_the_way_is_back_is_behind_what_had_not_left() {
    let world = with_session().await;
    set(&world, Direction::Cut);
    let (early, late) = tokio::join!(tell_all(&world, "far", 1..4), async {
        world.settle().await;
        set(&world, Direction::Open);
        tell_all(&world, "far", 4..8).await
    });
    assert!(early.iter().chain(&late).all(|status| *status == TellStatus::Delivered), "{early:?} {late:?}");
    assert_eq!(numbers(&world, 1, "far", 8).await, (0..8).collect::<Vec<_>>());
}

/// What was sent behind it found another connection before its sender knew that its own had ended.
#[tokio::test(start_paused = true)]
async fn what_was_overtaken_does_not_leave_any_more() {
    let world = with_session().await;
    set(&world, Direction::Lost(Duration::from_secs(1)));
    let (lost, behind) = tokio::join!(tell_all(&world, "far", 1..2), async {
        world.settle().await;
        set(&world, Direction::Open);
        tell_all(&world, "far", 2..3).await
    });
    assert_eq!(behind, [TellStatus::Delivered]);
    let [TellStatus::NotDelivered { reason }] = &lost[..] else { panic!("{lost:?}") };
    assert!(reason.ends_with("one that was sent after it may have arrived"), "{reason}");
    assert_eq!(tell_all(&world, "far", 3..4).await, [TellStatus::Delivered]);
    assert_eq!(numbers(&world, 1, "far", 3).await, [0, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_left_goes_where_its_receiver_is_by_then() {
    // Once before anything was sent, once with a session.
    for before in [0, 1] {
        let world = World::with_large_mailboxes(programs::all()).await;
        world.run("far", "demo", "numbers", 1).await;
        tell_all(&world, "far", 0..before).await;
        set(&world, Direction::Cut);
        let (early, late) = tokio::join!(tell_all(&world, "far", before..4), async {
            world.settle().await;
            world.condemn(1);
            // It is placed nowhere for a while, and does not run at once where it is placed then.
            tokio::time::sleep(Duration::from_secs(2)).await;
            world.place("far", 0);
            tell_all(&world, "far", 4..8).await
        });
        assert!(early.iter().chain(&late).all(|status| *status == TellStatus::Delivered), "{early:?} {late:?}");
        let told = 8 - usize::try_from(before).unwrap();
        assert_eq!(numbers(&world, 0, "far", told).await, (before..8).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_reply_to_what_was_sent_before_it_goes_where_its_receiver_is_by_then() {
    let world = with_session().await;
    set(&world, Direction::Silent);
    let (sent, waiting) = tokio::join!(tell_all(&world, "far", 1..2), async {
        world.settle().await;
        // Behind as many batches as may be under way.
        let fill = async {
            for number in 2..9 {
                let told = tell_all(&world, "far", number..number + 1);
                assert!(timeout(Duration::from_millis(10), told).await.is_err(), "{number}");
            }
        };
        fill.await;
        let (waiting, ()) = tokio::join!(tell_all(&world, "far", 9..12), async {
            world.settle().await;
            world.condemn(1);
            world.place("far", 0);
        });
        waiting
    });
    assert_eq!(sent, [TellStatus::Unknown], "it may have arrived");
    assert!(waiting.iter().all(|status| *status == TellStatus::Delivered), "{waiting:?}");
    assert_eq!(numbers(&world, 0, "far", 3).await, [9, 10, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_back_and_has_not_started_its_agents_again_refuses_nothing_for_good() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "fragile", 1).await;
    set(&world, Direction::Cut);
    let hellos = || world.sent().len();
    let (said, refused) = tokio::join!(world.ask_within(0, "far", json!("spare"), Duration::from_secs(30)), async {
        world.settle().await;
        assert_eq!(world.ask(1, "far", json!("kill")).await, Ending::OutcomeUnknown);
        world.until("far", AgentState::Waiting).await;
        set(&world, Direction::Open);
        let before = hellos();
        world.until("far", AgentState::Running).await;
        hellos() - before
    });
    assert!(refused > 0, "it was asked for a session before it ran");
    assert_eq!(answer(said), json!("spared"));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_way_leaves_under_the_policies_of_then() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    set(&world, Direction::Cut);
    let (told, ()) = tokio::join!(tell_all(&world, "far", 1..4), async {
        world.settle().await;
        let text =
            format!("{}\nforbid (principal, action == Action::\"message::tell\", resource);", symbi_policy::STARTER);
        let (entities, keeper, actor) = ("[]".to_owned(), "admin".to_owned(), "admin".to_owned());
        world.command(Command::ApplyPolicies { text, entities, keeper, actor });
        set(&world, Direction::Open);
    });
    assert!(told.iter().all(|status| matches!(status, TellStatus::Denied { .. })), "{told:?}");
    world.settle().await;
    assert_eq!(world.nodes[1].handle.logs(&agent("far"), 10).unwrap_or_default(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn whose_time_is_up_is_told_what_held_it_up_and_the_way_is_not_tried_without_a_pause() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    set(&world, Direction::Cut);
    let ending = world.ask(0, "far", json!(1)).await;
    assert_eq!(undelivered(ending), "the node cannot be reached: the wire is cut");
    let tries = world.sent().len();
    assert!((3..=12).contains(&tries), "{tries} in five seconds");
}

#[tokio::test(start_paused = true)]
async fn whoever_sets_up_a_session_holds_no_place_that_others_could_use() {
    let world = World::new(programs::all()).await;
    for name in ["one", "two"] {
        world.run(name, "demo", "echo", 1).await;
        assert_eq!(world.tell(0, name, json!("so that there is a session")).await, TellStatus::Delivered);
    }
    let MessageFrame::Batch { session, .. } = world.batch(0) else { panic!("a batch") };
    let places = &world.nodes[0].places;
    places.forget_permits(places.available_permits() - 1);
    set(&world, Direction::Full);
    let tell = |to: &str, within| {
        let (handle, caller) = (world.nodes[0].handle.clone(), Caller::Gateway { user: "admin".to_owned() });
        let to = agent(to);
        async move { handle.tell(caller, to, b"1".to_vec(), within).await.unwrap().1 }
    };
    let (first, second) = tokio::join!(tell("one", Duration::from_secs(20)), async {
        world.settle().await;
        let close = MessageFrame::Close { session, why: Parting::Ended };
        let _ = world.reply(0, 1, Bytes::from(close.encode())).await;
        // It is given the place for a session that has ended, and its hello gets no reply.
        set(&world, Direction::Silent);
        world.settle().await;
        set(&world, Direction::Open);
        tell("two", Duration::from_secs(2)).await
    });
    assert_eq!((first, second), (TellStatus::Delivered, TellStatus::Delivered));
}
