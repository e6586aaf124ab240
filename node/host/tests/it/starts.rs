//! Starts that take their time: many at once, and what changes while one is under way.

use crate::messages::answer;
use crate::programs;
use crate::world::{World, agent};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use symbi_model::agent::{AgentState, Resources, Restart};
use symbi_model::{Command, Incarnation};
use symbi_sandbox::driver::{Fingerprint, Home};
use symbi_sandbox::{Driver, Error, Instance, Launch, Scripted};
use tokio::sync::watch;

/// So many starts at once a driver takes, as the one with processes did.
const AT_ONCE: usize = 1_024;
/// How long one takes.
const START: Duration = Duration::from_millis(5);

/// A driver whose starts take time. Clones are the same driver.
#[derive(Clone)]
struct Slow {
    /// What starts in the end.
    inner: Scripted,
    /// Starts under way, so many as there are clones of it.
    under_way: Arc<()>,
    /// How many starts have begun.
    begun: Arc<AtomicUsize>,
    /// Starts up to this number wait while it is above theirs.
    held: watch::Receiver<usize>,
}

impl Slow {
    /// A driver, and how many of its first starts wait.
    fn new(inner: Scripted) -> (Self, watch::Sender<usize>) {
        let (hold, held) = watch::channel(0);
        (Self { inner, under_way: Arc::default(), begun: Arc::default(), held }, hold)
    }

    async fn begin(&self, launch: Launch) -> Result<Instance, Error> {
        let _under_way = Arc::clone(&self.under_way);
        // One is the driver's own.
        if Arc::strong_count(&self.under_way) > AT_ONCE + 1 {
            return Err(Error::Closed);
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        let _ = self.held.clone().wait_for(|held| *held <= number).await;
        tokio::time::sleep(START).await;
        self.inner.start(launch).await
    }
}

/// What a [`World`] is given.
struct Given(Arc<Slow>);

impl Driver for Given {
    fn fingerprint(&self) -> BoxFuture<'_, Fingerprint> {
        self.0.inner.fingerprint()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, Error>> {
        self.0.inner.sweep()
    }

    fn start(&self, launch: Launch) -> BoxFuture<'_, Result<Instance, Error>> {
        self.0.begin(launch).boxed()
    }

    fn homes(&self) -> BoxFuture<'_, Result<Vec<Home>, Error>> {
        self.0.inner.homes()
    }

    fn remove_home(&self, home: Home) -> BoxFuture<'_, Result<(), Error>> {
        self.0.inner.remove_home(home)
    }
}

#[tokio::test(start_paused = true)]
async fn three_thousand_agents_of_one_node_start_and_start_again() {
    const MANY: usize = 3_000;
    let driver = Arc::new(Slow::new(programs::all()).0);
    let mut world = World::with_driver(Given(Arc::clone(&driver))).await;
    for number in 0..MANY {
        let name = format!("a{number}");
        world.create(&name, "demo", "echo", |spec| {
            spec.restart = Restart::Never;
            spec.resources = Resources { memory_mb: 1, cpu_millis: 1 };
        });
        world.place(&name, 0);
    }
    for boot in 1..=2 {
        let runs = |agent: &symbi_model::agent::Agent| {
            let status = agent.status.as_ref()?;
            let now = status.incarnation > Incarnation(boot << 32);
            assert_ne!(status.state, AgentState::Failed, "{}: {}", agent.spec.name, status.detail);
            (now && status.state == AgentState::Running).then_some(())
        };
        let all = || world.state().agents.values().all(|agent| runs(agent).is_some()).then_some(());
        world.eventually("all of them run", all).await;
        if boot == 1 {
            world.restart(0, Given(Arc::clone(&driver))).await;
        }
    }
    assert_eq!(answer(world.ask(1, "a2999", json!("there")).await), json!("there"));
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_to_start_under_a_grant_that_has_run_out_since_is_told_nothing() {
    let (driver, hold) = Slow::new(programs::all());
    hold.send_replace(1);
    let world = World::with_driver(Given(Arc::new(driver))).await;
    world.create("a", "demo", "candid", |_| ());
    world.place("a", 0);
    world.until("a", AgentState::Initializing).await;
    world.nodes[0].granted.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(7)).await;
    hold.send_replace(0);
    world.settle().await;
    let heard = || world.nodes[0].handle.logs(&agent("a"), 10).unwrap_or_default();
    assert!(!heard().iter().any(|line| line.contains("initialize")), "{:?}", heard());
    world.nodes[0].granted.store(true, Ordering::SeqCst);
    world.until("a", AgentState::Running).await;
    assert!(heard().iter().any(|line| line.contains("initialize")), "{:?}", heard());
}

#[tokio::test(start_paused = true)]
async fn a_placement_that_is_lost_while_it_starts_does_not_hold_up_the_next() {
    let (driver, hold) = Slow::new(programs::all());
    hold.send_replace(1);
    let world = World::with_driver(Given(Arc::new(driver))).await;
    world.create("a", "demo", "echo", |_| ());
    world.place("a", 0);
    world.until("a", AgentState::Initializing).await;
    world.condemn(0);
    let epoch = world.place("a", 0);
    let status = world.until("a", AgentState::Running).await;
    assert_eq!(status.epoch, epoch);
    hold.send_replace(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.agent("a").status.unwrap(), status, "the first start is over, whatever its driver still did");
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_stopped_and_a_node_stops_while_something_starts() {
    let (driver, hold) = Slow::new(programs::all());
    hold.send_replace(2);
    let world = World::with_driver(Given(Arc::new(driver))).await;
    for name in ["a", "b"] {
        world.create(name, "demo", "echo", |_| ());
        world.place(name, 0);
        world.until(name, AgentState::Initializing).await;
    }
    world.command(Command::StopAgent { name: agent("a"), actor: "admin".to_owned() });
    world.until("a", AgentState::Terminating).await;
    world.until("a", AgentState::Terminated).await;
    let stopped = tokio::time::timeout(Duration::from_secs(60), world.nodes[0].handle.shutdown()).await;
    assert!(stopped.is_ok(), "it waits for a start that does not end");
}
