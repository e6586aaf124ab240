//! A node that is about to stop: its agents end and are released, and no epoch that has ended comes back.

use crate::programs;
use crate::world::World;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_model::agent::{AgentState, Desired, Hold};

#[tokio::test(start_paused = true)]
async fn the_agents_of_a_node_that_leaves_are_released_and_wanted_as_before() {
    let world = World::new(programs::all()).await;
    for name in ["one", "two"] {
        world.run(name, "demo", "echo", 0).await;
    }
    assert_eq!(world.nodes[0].handle.leave(Duration::from_secs(15)).await, 0);
    for name in ["one", "two"] {
        let agent = world.agent(name);
        assert_eq!((agent.placement.unwrap().hold, agent.desired), (Hold::Released, Desired::Running));
        assert!(agent.status.unwrap().detail.starts_with("its node is leaving"));
        world.place(name, 1);
        world.until(name, AgentState::Running).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_epoch_that_ended_unheard_is_told_by_the_next_start_and_not_begun_again() {
    let mut world = World::new(programs::all()).await;
    let epoch = world.run("one", "demo", "echo", 0).await;
    world.nodes[0].commits.store(false, Ordering::SeqCst);
    assert_eq!(world.nodes[0].handle.leave(Duration::from_secs(3)).await, 1, "nobody has heard of its end");
    assert_eq!(world.agent("one").placement.unwrap().hold, Hold::Held);
    world.restart(0, programs::all()).await;
    let status = world.until("one", AgentState::Terminated).await;
    assert_eq!((status.epoch, status.incarnation.0 >> 32), (epoch, 1), "it was not started anew");
    assert_eq!(world.agent("one").placement.unwrap().hold, Hold::Released);
    // What has been heard is let go: under another epoch it runs here again.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let next = world.place("one", 0);
    let status = world.until("one", AgentState::Running).await;
    assert_eq!((status.epoch, status.incarnation.0 >> 32), (next, 2));
}
