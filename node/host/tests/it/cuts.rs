//! A way to a receiver's node that is cut: what has not left waits for the next one, and takes nothing from others.

use crate::crowds::{numbers, tell_all};
use crate::messages::undelivered;
use crate::programs;
use crate::world::{Direction, World, agent};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;
use symbi_host::{Caller, TellStatus};
use symbi_proto::wire::MessageFrame;
use symbi_proto::wire::message::Parting;

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

#[tokio::test(start_paused = true)]
async fn what_has_not_left_goes_where_its_receiver_is_by_then() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    set(&world, Direction::Cut);
    let (told, ()) = tokio::join!(tell_all(&world, "far", 0..4), async {
        world.settle().await;
        world.condemn(1);
        world.place("far", 0);
    });
    assert!(told.iter().all(|status| *status == TellStatus::Delivered), "{told:?}");
    assert_eq!(numbers(&world, 0, "far", 4).await, (0..4).collect::<Vec<_>>());
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
