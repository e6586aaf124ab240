//! Lets the node's gateway and the agents of its node talk: asks of agents that the node believes to run here and of the
//! gateway, and the gateway's tells, to any agent of the cluster.

use crate::history::{Ban, How, Key, Kind, Sent, Stream};
use crate::setup::Setup;
use crate::trace::Event;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use std::sync::Arc;
use std::time::Duration;
use symbi_host::{Caller, Ending};
use symbi_model::agent::AgentName;
use symbi_server::node::Node;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Messages on their way at once.
const IN_FLIGHT: usize = 12;
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long it may take when the asker is in a hurry, ms.
const HURRY_MS: std::ops::Range<u64> = 1..60;
/// The user for whom the gateway speaks.
const USER: &str = "admin";

/// Who talks from one node in one of its lives.
struct Talker {
    /// The node.
    node: Arc<Node>,
    /// Where everything is told.
    setup: Arc<Setup>,
    /// From which everything is drawn.
    random: StdRng,
    /// Room for messages on their way.
    room: Arc<Semaphore>,
    /// What is asked.
    asks: Stream,
    /// What is told.
    tells: Stream,
}

/// Talks until the run is quiet.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>, random: StdRng) {
    let name = |what: &str| Stream::new(format!("{}.{}.{what}", setup.name, setup.files().boot));
    let (asks, tells) = (name("asks"), name("tells"));
    let mut talker = Talker { node, setup, random, room: Arc::new(Semaphore::new(IN_FLIGHT)), asks, tells };
    while !talker.setup.shared.quiet() {
        sleep(Duration::from_millis(talker.random.random_range(20..100))).await;
        if talker.random.random_ratio(1, 5) {
            talker.tell();
        } else {
            talker.ask();
        }
    }
}

impl Talker {
    /// An agent that runs here, as far as the node knows, and another one.
    fn pair(&mut self) -> Option<(AgentName, AgentName)> {
        let state = self.node.raft.state();
        let state = state.borrow();
        let here: Vec<&AgentName> = state.held_by(&self.node.id).collect();
        let from = (*here.choose(&mut self.random)?).clone();
        let others: Vec<&AgentName> = state.agents.keys().filter(|name| **name != from).collect();
        Some((from, (*others.choose(&mut self.random)?).clone()))
    }

    fn sends(&self, key: &Key, from: String, to: &AgentName, within: Option<Duration>) {
        let state = self.node.raft.state();
        let state = state.borrow();
        let forbidden = Ban::forbids(&state, to.as_str());
        let here = state.held_by(&self.node.id).any(|held| held == to);
        let kind = if within.is_some() { Kind::Ask } else { Kind::Tell };
        let sent = Sent { key: key.clone(), kind, from, to: to.to_string(), forbidden, here, within };
        self.setup.recorder.tell(&self.setup.name, Event::Sent(sent));
    }

    fn ask(&mut self) {
        let Some((from, to)) = self.pair() else { return };
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return };
        let through = format!("echo-{}", self.random.random_range(1..=3));
        let hurry = self.random.random_ratio(1, 8);
        let within = if hurry { Duration::from_millis(self.random.random_range(HURRY_MS)) } else { TIMEOUT };
        let gateway = self.random.random_ratio(1, 4);
        let key = self.asks.following();
        let mut payload = key.payload();
        if through != from.as_str() {
            payload["through"] = through.into();
        }
        let (caller, name) = match gateway {
            true => (Caller::Gateway { user: USER.to_owned() }, format!("user:{USER}")),
            false => (Caller::Agent(from.clone()), from.to_string()),
        };
        self.sends(&key, name, &to, Some(within));
        let (node, setup) = (Arc::clone(&self.node), Arc::clone(&self.setup));
        enter(async move {
            let ending = match node.host.ask(caller, to, payload.to_string().into_bytes(), within).await {
                Ok((_, ending)) => ending,
                Err(not_here) => Ending::NotDelivered { reason: not_here.to_string() },
            };
            setup.ended(key, Kind::Ask, How::from(&ending));
            drop(room);
        });
    }

    /// Some tells of the gateway to one agent, none of which waits for another.
    fn tell(&mut self) {
        let Some((_, to)) = self.pair() else { return };
        for _ in 0..self.random.random_range(1..=4) {
            let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else { return };
            let (key, to) = (self.tells.following(), to.clone());
            self.sends(&key, format!("user:{USER}"), &to, None);
            let (node, setup) = (Arc::clone(&self.node), Arc::clone(&self.setup));
            enter(async move {
                let caller = Caller::Gateway { user: USER.to_owned() };
                let payload = key.payload().to_string().into_bytes();
                let told = node.host.tell(caller, to, payload, TIMEOUT).await;
                setup.ended(key, Kind::Tell, told.as_ref().map_or(How::NotDelivered, |(_, status)| How::from(status)));
                drop(room);
            });
        }
    }
}

/// Polls once here, so that messages enter in their order, and leaves the rest to a task.
fn enter(sending: impl Future<Output = ()> + Send + 'static) {
    use futures::FutureExt;
    let mut sending = Box::pin(sending);
    if sending.as_mut().now_or_never().is_none() {
        tokio::spawn(sending);
    }
}
