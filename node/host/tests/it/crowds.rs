//! Many messages at once on several threads, in real time: nothing is lost, nothing is mixed up, tells keep their order.

use crate::messages::answer;
use crate::programs;
use crate::world::World;
use futures::future::join_all;
use serde_json::json;
use std::time::Duration;
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
