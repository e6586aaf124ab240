//! Starts, ends, restarts and stops, as the cluster hears of them.

use crate::messages::undelivered;
use crate::programs;
use crate::world::{World, agent};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_host::{Event, Running};
use symbi_model::agent::{AgentState, Desired, Hold, Restart, Status};
use symbi_model::{Command, Incarnation};
use tokio::time::Instant;

impl World {
    fn stop(&self, name: &str) {
        self.command(Command::StopAgent { name: agent(name), actor: "admin".to_owned() });
    }

    fn hold(&self, name: &str) -> Hold {
        self.agent(name).placement.unwrap().hold
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_started_initialized_and_reported() {
    let world = World::new(programs::all()).await;
    let epoch = world.run("a", "demo", "echo", 0).await;
    let status = world.until("a", AgentState::Running).await;
    assert_eq!((status.epoch, status.incarnation, status.restarts), (epoch, Incarnation((1 << 32) + 1), 0));
    assert_eq!(status.detail, "");
    let running = world.nodes[0].handle.running();
    assert_eq!(*running.borrow(), Running { agents: 1, memory_mb: 16, cpu_millis: 10 });
    assert_eq!(*world.nodes[1].handle.running().borrow(), Running::default());
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_without_a_grant_that_knows_of_the_placement() {
    let world = World::new(programs::all()).await;
    world.nodes[0].granted.store(false, Ordering::SeqCst);
    world.create("a", "demo", "echo", |_| ());
    world.place("a", 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.agent("a").status, None, "the open grant was given before the placement");
    assert!(world.nodes[0].events.lock().unwrap().is_empty());
    world.nodes[0].granted.store(true, Ordering::SeqCst);
    world.until("a", AgentState::Running).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_keeps_failing_is_restarted_ever_more_slowly_and_said_to_loop() {
    let world = World::new(programs::all()).await;
    world.create("a", "demo", "fails", |_| ());
    world.place("a", 0);
    let mut starts = Vec::new();
    for restarts in 0..8 {
        world.until_status("a", |said| said.state == AgentState::Waiting && said.restarts == restarts).await;
        starts.push(Instant::now());
    }
    for (pair, base) in starts.windows(2).zip([1, 2, 4, 8, 16, 32, 60]) {
        let waited = (pair[1] - pair[0]).as_secs_f64();
        let base = f64::from(base);
        assert!(waited > base * 0.79 && waited < base * 1.21 + 0.2, "waited {waited} s, wanted about {base} s");
    }
    let detail = world.until("a", AgentState::Waiting).await.detail;
    assert!(detail.starts_with("crash loop, 8 ends in a row: exited with code 3; starts again in "), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_policy_decides_what_an_end_means() {
    let cases = [
        ("succeeds", Restart::Always, AgentState::Waiting),
        ("succeeds", Restart::OnFailure, AgentState::Completed),
        ("succeeds", Restart::Never, AgentState::Completed),
        ("fails", Restart::OnFailure, AgentState::Waiting),
        ("fails", Restart::Never, AgentState::Failed),
    ];
    let world = World::new(programs::all()).await;
    for (number, (program, restart, expected)) in cases.into_iter().enumerate() {
        let name = format!("a{number}");
        world.create(&name, "demo", program, |spec| spec.restart = restart);
        world.place(&name, 0);
        world.until(&name, expected).await;
    }
    // Longer than the longest pause before a restart.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.agent("a4").status.unwrap().restarts, 0);
    assert_eq!([world.hold("a2"), world.hold("a4")], [Hold::Released; 2], "what ended for good reserves nothing");
    world.stop("a0");
    world.until("a0", AgentState::Terminated).await;
    assert_eq!(world.hold("a0"), Hold::Released);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_agent_is_asked_to_end_and_its_placement_is_released() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "echo", 0).await;
    world.run("b", "demo", "stubborn", 0).await;
    let asked = Instant::now();
    world.stop("a");
    world.until("a", AgentState::Terminated).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!((world.hold("a"), world.agent("a").desired), (Hold::Released, Desired::Stopped));
    world.stop("b");
    world.until("b", AgentState::Terminating).await;
    assert_eq!(world.hold("b"), Hold::Held);
    assert_eq!(undelivered(world.ask(0, "b", json!(1)).await), "the receiver is refused: its gates are shut");
    let status = world.until("b", AgentState::Terminated).await;
    assert_eq!(status.detail, "did not end within 10 s of being asked to");
    assert!(asked.elapsed() >= Duration::from_secs(10));
    world.settle().await;
    assert_eq!(*world.nodes[0].handle.running().borrow(), Running::default());
}

#[tokio::test(start_paused = true)]
async fn a_removed_agents_record_goes_when_it_has_ended() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "echo", 0).await;
    world.command(Command::RemoveAgent { name: agent("a"), actor: "admin".to_owned() });
    let gone = || world.state().agents.is_empty() && world.nodes[0].handle.logs(&agent("a"), 10).is_none();
    world.eventually("neither record nor lines are left", || gone().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_placements_process_is_killed_at_once_and_another_may_follow() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "stubborn", 0).await;
    world.condemn(0);
    world.settle().await;
    assert_eq!(*world.nodes[0].handle.running().borrow(), Running::default(), "it was not asked, it was killed");
    assert_eq!(world.hold("a"), Hold::Lost);
    let epoch = world.place("a", 0);
    let status = world.until("a", AgentState::Running).await;
    assert_eq!((status.epoch, status.incarnation), (epoch, Incarnation((1 << 32) + 2)));
}

#[tokio::test(start_paused = true)]
async fn what_ends_an_agent_is_said() {
    let cases = [
        ("garbage", "not JSON"),
        ("silent", "no answer to initialize within 10 s"),
        ("no-such-program", "there is no executable \"no-such-program\""),
    ];
    let world = World::new(programs::all()).await;
    for (number, (program, expected)) in cases.into_iter().enumerate() {
        let name = format!("a{number}");
        world.create(&name, "demo", program, |spec| spec.restart = Restart::Never);
        world.place(&name, 0);
        let status = world.until(&name, AgentState::Failed).await;
        assert!(status.detail.contains(expected), "{program}: {}", status.detail);
    }
    let logs = world.nodes[0].handle.logs(&agent("a0"), 10).unwrap().join("\n");
    assert!(logs.contains("host: "), "{logs}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_again_goes_on_under_the_same_epoch_and_a_higher_incarnation() {
    let mut world = World::new(programs::all()).await;
    let epoch = world.run("a", "demo", "echo", 0).await;
    world.create("done", "demo", "succeeds", |spec| spec.restart = Restart::Never);
    world.place("done", 0);
    world.until("done", AgentState::Completed).await;
    world.restart(0, programs::all()).await;
    let is_new = |status: &Status| status.incarnation > Incarnation(2 << 32) && status.state == AgentState::Running;
    let status = world.until_status("a", is_new).await;
    world.settle().await;
    assert_eq!((status.epoch, status.incarnation, status.restarts), (epoch, Incarnation((2 << 32) + 1), 1));
    assert_eq!(world.hold("a"), Hold::Held);
    assert_eq!(world.agent("done").status.unwrap().incarnation, Incarnation((1 << 32) + 2), "it is not run again");
}

#[tokio::test(start_paused = true)]
async fn a_start_is_an_effect() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "echo", 0).await;
    let events = world.nodes[0].events.lock().unwrap();
    assert!(matches!(&events[0], Event::EffectPassed { kind: symbi_host::Effect::Start, .. }), "{:?}", events[0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reported_is_reported_when_it_can() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "echo", 0).await;
    world.nodes[0].commits.store(false, Ordering::SeqCst);
    world.stop("a");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((world.agent("a").status.unwrap().state, world.hold("a")), (AgentState::Running, Hold::Held));
    world.nodes[0].commits.store(true, Ordering::SeqCst);
    world.until("a", AgentState::Terminated).await;
    assert_eq!(world.hold("a"), Hold::Released);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_shut_down_leaves_no_process_and_keeps_its_placements() {
    let world = World::new(programs::all()).await;
    world.run("a", "demo", "echo", 0).await;
    world.run("b", "demo", "stubborn", 0).await;
    let asked = Instant::now();
    world.nodes[0].handle.shutdown().await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(10) && took < Duration::from_secs(13), "{took:?}");
    assert_eq!([world.hold("a"), world.hold("b")], [Hold::Held; 2]);
    assert_eq!(undelivered(world.ask(1, "a", json!(1)).await), "a is not running");
}
