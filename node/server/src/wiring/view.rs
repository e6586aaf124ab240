//! What this node knows of the group and of its neighbours, put together for the HTTP interface; and the views that nodes
//! send each other by gossip.

mod heard;

use crate::measure::Meter;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use heard::Heard;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_api::ports::{Said, View};
use symbi_model::agent::Resources;
use symbi_model::node::Membership;
use symbi_model::{NodeId, State};
use symbi_raft::Status;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the view is made anew.
const EVERY: Duration = Duration::from_millis(500);
/// How often this node measures itself and tells the others: so many times as seldom. Their hints end after 5 s.
const TOLD_EVERY: u32 = 4;
/// Without a leader for so long a node is not ready.
const LEADERLESS: Duration = Duration::from_secs(5);

/// What the view is made of.
pub struct Sources {
    /// This node.
    pub node: NodeId,
    /// Its key, which signs what it sends by gossip.
    pub key: Arc<SigningKey>,
    /// How often it was started: its views count on from there.
    pub boot: u64,
    /// Its clocks.
    pub clocks: crate::clock::Clocks,
    /// What measures its machine.
    pub meter: Meter,
    /// The network.
    pub net: symbi_net::Handle,
    /// The group.
    pub status: watch::Receiver<Status>,
    /// The longest that the leader was not heard, of late.
    pub silence: Arc<dyn Fn() -> Option<Duration> + Send + Sync>,
    /// The replicated state.
    pub state: watch::Receiver<State>,
    /// When this node was last granted the right to act.
    pub granted: watch::Receiver<Option<Instant>>,
    /// What others say by gossip.
    pub gossip: mpsc::Receiver<symbi_net::Gossip>,
}

/// Keeps the view and gossips this node's own.
pub struct Actor {
    /// What it is made of.
    sources: Sources,
    /// Where it goes.
    view: watch::Sender<View>,
    /// Where what nodes say of their resources goes.
    hints: watch::Sender<Hints>,
    /// What each node last said.
    heard: Heard,
    /// The number of this node's last view.
    sequence: u64,
    /// Ticks until this node tells of itself again.
    quiet: u32,
}

/// What nodes last said of their resources.
pub type Hints = BTreeMap<NodeId, symbi_control::reconcile::View>;

/// The view, what nodes say of their resources, and the actor that keeps both.
#[must_use]
pub fn new(sources: Sources) -> (watch::Receiver<View>, watch::Receiver<Hints>, Actor) {
    let starting = View { not_ready: Some("this node is starting".to_owned()), ..View::default() };
    let (view, watched) = watch::channel(starting);
    let (hints, hinted) = watch::channel(Hints::new());
    let sequence = sources.boot << 32;
    (watched, hinted, Actor { sources, view, hints, heard: Heard::default(), sequence, quiet: 0 })
}

impl Actor {
    /// Runs until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                _ = tick.tick() => self.tick(),
                gossip = self.sources.gossip.recv() => match gossip {
                    Some(gossip) => self.hear(&gossip),
                    None => return,
                },
                changed = self.sources.status.changed() => if changed.is_err() { return } else { self.turn() },
            }
        }
    }

    fn tick(&mut self) {
        if self.quiet == 0 {
            self.tell();
        }
        self.quiet = (self.quiet + 1) % TOLD_EVERY;
        self.refresh();
    }

    /// Measures this machine, and says what there is to say of this node.
    fn tell(&mut self) {
        let own = self.own();
        let cluster = self.sources.state.borrow().cluster.as_ref().map(|cluster| cluster.id);
        if let Some(cluster) = cluster {
            self.sources.net.publish(Bytes::from(own.sign(cluster, &self.sources.key)));
        }
        self.hint(&own);
        self.heard.keep(own, Instant::now());
    }

    fn own(&mut self) -> symbi_proto::wire::View {
        self.sequence += 1;
        let state = self.sources.state.borrow();
        let node = self.sources.node;
        symbi_proto::wire::View {
            node,
            sequence: self.sequence,
            wall_ms: (self.sources.clocks.wall_ms)(),
            applied_index: state.counters.applied_index,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agents: u32::try_from(state.held_count(&node)).unwrap_or(u32::MAX),
            usage: (self.sources.meter)(),
            tiers: state.nodes.get(&node).map(|record| record.profile.tiers.clone()).unwrap_or_default(),
        }
    }

    /// Takes what a member says of itself.
    fn hear(&mut self, gossip: &symbi_net::Gossip) {
        let cluster = self.sources.state.borrow().cluster.as_ref().map(|cluster| cluster.id);
        let Some(cluster) = cluster else { return };
        match self.heard.hear(cluster, gossip.from, &gossip.body, Instant::now()) {
            Ok(view) => {
                let view = view.clone();
                self.hint(&view);
            }
            Err(refused) => {
                let (by, times) = (gossip.from.short(), self.heard.refused()[&gossip.from]);
                match times {
                    1 => tracing::warn!(%by, %refused, "a view is refused; more of this node's at debug level"),
                    _ => tracing::debug!(%by, %refused, times, "a view is refused"),
                }
            }
        }
    }

    /// Hands on what placement may prefer a node by.
    fn hint(&self, view: &symbi_proto::wire::View) {
        let used = Resources { memory_mb: view.usage.memory_used_mb, cpu_millis: view.usage.cpu_used_millis };
        let hint = symbi_control::reconcile::View { used, heard: (self.sources.clocks.boottime)() };
        self.hints.send_modify(|hints| {
            hints.insert(view.node, hint);
        });
    }

    /// Looks at once when the leader changes; what changes with each entry waits for the next tick.
    fn turn(&mut self) {
        let turned = {
            let (status, view) = (self.sources.status.borrow_and_update(), self.view.borrow());
            (status.term, status.leader) != (view.term, view.leader)
        };
        if turned {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let status = self.sources.status.borrow_and_update().clone();
        let connected = self.sources.net.connections().borrow().clone();
        let now = Instant::now();
        let said = |(view, at): (&symbi_proto::wire::View, Instant)| {
            (view.node, Said { view: view.clone(), age: now.duration_since(at) })
        };
        let said: BTreeMap<NodeId, Said> = self.heard.last().map(said).collect();
        // The network closes a connection that was silent for two seconds: a connected node is heard now.
        let mut heard: BTreeMap<NodeId, Duration> = said.iter().map(|(id, said)| (*id, said.age)).collect();
        heard.extend(connected.keys().map(|id| (*id, Duration::ZERO)));
        // A grant follows a round in which a quorum confirmed the leader: no other sign of life means as much.
        let leader_heard = self.sources.granted.borrow().map(|at| now.duration_since(at));
        let not_ready = self.not_ready(leader_heard);
        self.view.send_replace(View {
            term: status.term,
            leader: status.leader,
            committed: status.committed,
            missing: status.missing,
            silence: (self.sources.silence)(),
            voters: status.voters.last().cloned().unwrap_or_default(),
            heard,
            leader_heard,
            not_ready,
            round_trips: connected.keys().filter_map(|id| Some((*id, self.sources.net.round_trip(id)?))).collect(),
            said,
            refused: self.heard.refused().clone(),
        });
    }

    fn not_ready(&self, leader_heard: Option<Duration>) -> Option<String> {
        let state = self.sources.state.borrow();
        match state.nodes.get(&self.sources.node).map(|node| node.membership) {
            Some(Membership::Member) if leader_heard.is_some_and(|age| age < LEADERLESS) => None,
            Some(Membership::Member) => Some("this node is waiting for a leader that has a quorum".to_owned()),
            Some(Membership::Removed) => Some("this node was removed".to_owned()),
            _ => Some("this node has not finished its join".to_owned()),
        }
    }
}
