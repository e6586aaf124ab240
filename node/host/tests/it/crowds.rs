//! Many messages at once, some on several threads and in real time: nothing is lost, nothing is mixed up, tells keep their
//! order.

use crate::messages::answer;
use crate::programs;
use crate::world::{Direction, Room, World, agent};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use symbi_host::TellStatus;
use symbi_model::agent::AgentState;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_asks_at_once_are_each_answered_by_their_own_answer() {
    let world = World::with_large_mailboxes(programs::all()).await;
    for (name, number) in [("near", 0), ("far", 1)] {
        world.create(name, "demo", "echo", |spec| spec.max_in_flight = 64);
        world.place(name, number);
        world.until(name, AgentState::Running).await;
    }
    let asks = (0..1_000).map(|number| {
        let (world, to) = (&world, ["near", "far"][number % 2]);
        async move { answer(world.ask_within(0, to, json!(number), Duration::from_secs(60)).await) }
    });
    for (number, said) in join_all(asks).await.into_iter().enumerate() {
        assert_eq!(said, json!(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_tells_arrive_in_order() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("near", "demo", "scribe", 0).await;
    world.run("far", "demo", "scribe", 1).await;
    world.run("teller", "demo", "teller", 0).await;
    for (number, to) in ["near", "far"].into_iter().enumerate() {
        answer(world.ask_within(0, "teller", json!({ "to": to, "count": 400 }), Duration::from_secs(60)).await);
        let expected: Vec<String> = (0..400).map(|number| format!("info: {number}")).collect();
        assert_eq!(world.logged(number, to, 400).await, expected);
    }
}

/// The numbers that an agent has logged on node `number`, in order, once there are `count`.
pub async fn numbers(world: &World, number: usize, name: &str, count: usize) -> Vec<u64> {
    let lines = world.logged(number, name, count).await;
    lines.iter().map(|line| line.trim_start_matches("info: ").parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tells_of_any_length_reach_an_agent_that_takes_many_at_once_in_order() {
    const COUNT: u64 = 160;
    let world = World::with_large_mailboxes(programs::all()).await;
    for (number, to) in ["near", "far"].into_iter().enumerate() {
        world.create(to, "demo", "numbers", |spec| spec.max_in_flight = 16);
        world.place(to, number);
        world.until(to, AgentState::Running).await;
    }
    world.run("teller", "demo", "mixer", 0).await;
    for (number, to) in ["near", "far"].into_iter().enumerate() {
        answer(world.ask_within(0, "teller", json!({ "to": to, "count": COUNT }), Duration::from_secs(60)).await);
        assert_eq!(numbers(&world, number, to, 160).await, (0..COUNT).collect::<Vec<_>>(), "{to}");
    }
}

/// Tells `to` these numbers through the gateway of node 0, one after the other.
pub async fn tell_all(world: &World, to: &str, numbers: std::ops::Range<u64>) -> Vec<TellStatus> {
    join_all(numbers.map(|number| world.tell(0, to, json!({ "number": number })))).await
}

/// A gateway has four queues for each session that an agent may have: here four, and six receivers.
#[tokio::test(start_paused = true)]
async fn tells_keep_their_order_when_their_sender_has_queues_for_too_few_receivers() {
    const OTHERS: [&str; 5] = ["two", "three", "four", "five", "six"];
    // What came first waits for a session, for a way to set one up, or for a way behind one.
    let ways = [(0, Direction::Late(Duration::from_secs(1))), (0, Direction::Cut), (1, Direction::Cut)];
    for (before, way) in ways {
        let world = World::with_room(programs::all(), Room { mailbox: 64, sessions: 1 }).await;
        for name in ["one"].into_iter().chain(OTHERS) {
            world.run(name, "demo", "numbers", 1).await;
        }
        tell_all(&world, "one", 0..before).await;
        *world.nodes[0].direction.lock().unwrap() = way;
        let (first, later) = tokio::join!(tell_all(&world, "one", before..4), async {
            world.settle().await;
            *world.nodes[0].direction.lock().unwrap() = Direction::Open;
            for name in OTHERS {
                assert_eq!(tell_all(&world, name, 0..1).await, [TellStatus::Delivered], "{name}");
            }
            tell_all(&world, "one", 4..8).await
        });
        assert!(first.iter().chain(&later).all(|status| *status == TellStatus::Delivered), "{first:?} {later:?}");
        assert_eq!(numbers(&world, 1, "one", 8).await, (0..8).collect::<Vec<_>>(), "{before} {way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tells_keep_their_order_when_their_receiver_moves_to_their_senders_node() {
    let world = World::with_large_mailboxes(programs::all()).await;
    world.run("one", "demo", "numbers", 1).await;
    assert_eq!(tell_all(&world, "one", 100..101).await, [TellStatus::Delivered], "so that there is a session");
    *world.nodes[0].direction.lock().unwrap() = Direction::Held;
    let (first, later) = tokio::join!(tell_all(&world, "one", 0..4), async {
        world.settle().await;
        world.condemn(1);
        let epoch = world.place("one", 0);
        world.until_status("one", |status| status.epoch == epoch && status.state == AgentState::Running).await;
        let (later, ()) = tokio::join!(tell_all(&world, "one", 4..8), async {
            world.settle().await;
            *world.nodes[0].direction.lock().unwrap() = Direction::Open;
        });
        later
    });
    assert!(first.iter().chain(&later).all(|status| *status == TellStatus::Delivered), "{first:?} {later:?}");
    assert_eq!(numbers(&world, 0, "one", 8).await, (0..8).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_tells_faster_than_its_messages_leave_is_not_read_further() {
    const MANY: usize = 100;
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    world.run("flood", "demo", "flood", 0).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    assert_eq!(world.tell(0, "flood", json!({ "to": "far", "count": MANY })).await, TellStatus::Delivered);
    tokio::time::sleep(Duration::from_millis(900)).await;
    // It writes a line of a few words behind each message of one mebibyte.
    let written = world.nodes[0].handle.logs(&agent("flood"), 1_000).unwrap_or_default().len();
    assert!((1..=20).contains(&written), "{written} MiB were taken of it while nothing left");
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_messages_do_not_leave_is_heard_all_the_same() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "numbers", 1).await;
    world.create("flood", "demo", "flood", |spec| spec.max_in_flight = 2);
    world.place("flood", 0);
    world.until("flood", AgentState::Running).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    assert_eq!(world.tell(0, "flood", json!({ "to": "far", "count": 40 })).await, TellStatus::Delivered);
    world.settle().await;
    let said = world.ask(0, "flood", json!({ "to": "far", "count": 0 })).await;
    assert_eq!(answer(said), Value::Null, "its answer stands behind forty tells of one mebibyte");
    let lines = world.nodes[0].handle.logs(&agent("flood"), 1_000).unwrap();
    assert!(lines.iter().any(|line| line.starts_with("host: tell to \"far\": BUSY, not sent")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_asks_for_more_than_there_is_room_for_is_told_so_at_once() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    world.run("boaster", "demo", "boaster", 0).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    let (busy, asked) = match answer(world.ask(0, "boaster", json!({ "to": "far", "count": 20 })).await) {
        Value::Array(codes) => (codes.iter().filter(|code| **code == json!(-32005)).count(), codes.len()),
        other => panic!("{other}"),
    };
    assert_eq!((busy, asked), (4, 20), "sixteen of one mebibyte are on their way");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_way_out_is_bounded_in_bytes_and_more_is_refused() {
    let world = World::new(programs::all()).await;
    world.run("far", "demo", "echo", 1).await;
    *world.nodes[0].direction.lock().unwrap() = Direction::Silent;
    let payload = Value::String("x".repeat((1 << 20) - 2));
    let asks = (0..72).map(|_| world.ask_within(0, "far", payload.clone(), Duration::from_secs(2)));
    let endings = join_all(asks).await;
    let refused = |ending: &&symbi_host::Ending| matches!(ending, symbi_host::Ending::NotDelivered { reason } if reason.contains("MiB of messages"));
    assert_eq!(endings.iter().filter(refused).count(), 8, "64 MiB may wait");
    let late = symbi_host::Ending::DeadlineExceeded { delivered: false };
    assert_eq!(endings.iter().filter(|ending| **ending == late).count(), 64, "and none of them is lost without a word");
    *world.nodes[0].direction.lock().unwrap() = Direction::Open;
    assert_eq!(answer(world.ask(0, "far", payload.clone()).await), payload, "there is room again");
}
