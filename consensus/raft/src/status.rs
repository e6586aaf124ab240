//! What a replica says of itself, from openraft's metrics and the state machine's progress.

use crate::applier::Progress;
use crate::disk::format;
use crate::lines::Hole;
use crate::machine::Filled;
use crate::replica::ReplicaId;
use crate::types::{Metrics, Types};
use crate::watchdog::Health;
use openraft::async_runtime::WatchReceiver;
use openraft::{RaftMetrics, ServerState};
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::NodeId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a replica whose state machine has ended is given to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a replica is in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It leads, as far as it knows.
    Leader,
    /// It has a vote and follows.
    Follower,
    /// It has no vote.
    #[default]
    Learner,
    /// It asks for votes.
    Candidate,
}

/// What a replica says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its term.
    pub term: u64,
    /// Its role.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// While it leads and once it has applied the first entry of its term: that entry's index.
    pub first_index_of_term: Option<u64>,
    /// The index of its last entry.
    pub last_log: u64,
    /// The index up to which it knows entries to be committed.
    pub committed: u64,
    /// The index up to which it has applied them.
    pub applied: u64,
    /// One set of voters, two while a change is joint, none before it is in a group.
    pub voters: Vec<Vec<NodeId>>,
    /// Who replicates without a vote.
    pub learners: Vec<NodeId>,
    /// While it leads: the index up to which each other replica is known to have its log; 0 for nothing known.
    pub replication: BTreeMap<NodeId, u64>,
    /// The entries whose lines are not here yet, as ranges of first and last: a snapshot took their place.
    pub missing: Vec<(u64, u64)>,
    /// To whom a snapshot is on its way, and how many of its bytes have been taken.
    pub snapshots: BTreeMap<NodeId, u64>,
    /// While a snapshot comes in: how many rows of it are here, and how many bytes.
    pub filled: Option<(u64, u64)>,
    /// Why it stopped for good. Nothing changes any more, and the process must end: only a restart can help.
    pub stopped: Option<String>,
}

impl Status {
    /// Whether it leads, as far as it knows.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// What is said instead while the disk hangs: openraft goes on leading, and this replica must not be taken for a leader.
    fn hushed(self, node: NodeId, health: &Health) -> Self {
        match health {
            Health::Well => self,
            Health::Stalled => self.demoted(node),
            Health::Failed(why) => {
                let mut status = self.demoted(node);
                status.stopped.get_or_insert_with(|| why.clone());
                status
            }
        }
    }

    fn demoted(self, node: NodeId) -> Self {
        let role = if self.role == Role::Leader { Role::Follower } else { self.role };
        let leader = self.leader.filter(|leader| *leader != node);
        Self { role, leader, first_index_of_term: None, replication: BTreeMap::new(), ..self }
    }

    /// What openraft and the state machine say.
    fn of(metrics: &RaftMetrics<Types>, progress: &Progress) -> Self {
        let (voters, learners) = format::members(metrics.membership_config.membership());
        let nodes = |replicas: Vec<ReplicaId>| replicas.into_iter().map(|replica| replica.node).collect::<Vec<_>>();
        let role = role(metrics.state);
        let first = progress.term_start.filter(|id| role == Role::Leader && id.term == metrics.current_term);
        // openraft counts the leader itself among them.
        let replication = metrics.replication.iter().flatten().filter(|(id, _)| **id != metrics.id);
        Self {
            term: metrics.current_term,
            role,
            leader: metrics.current_leader.map(|id| id.node),
            first_index_of_term: first.map(|id| id.index),
            last_log: metrics.last_log_index.unwrap_or(0),
            committed: metrics.local_committed.map_or(0, |id| id.index),
            applied: progress.applied.map_or(0, |id| id.index),
            voters: voters.into_iter().map(nodes).collect(),
            learners: nodes(learners),
            replication: replication.map(|(id, at)| (id.node, at.map_or(0, |at| at.index))).collect(),
            missing: Vec::new(),
            snapshots: BTreeMap::new(),
            filled: None,
            stopped: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }
}

fn role(state: ServerState) -> Role {
    match state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner | ServerState::Shutdown => Role::Learner,
    }
}

/// What the status is made of.
pub struct Sources {
    /// openraft's view.
    pub metrics: Metrics,
    /// The state machine's.
    pub progress: watch::Receiver<Progress>,
    /// The disk's.
    pub health: watch::Receiver<Health>,
    /// The entries without their lines.
    pub holes: watch::Receiver<Vec<Hole>>,
    /// The snapshots on their way to others.
    pub taken: watch::Receiver<BTreeMap<NodeId, u64>>,
    /// The one on its way here.
    pub filled: watch::Receiver<Filled>,
}

/// Keeps the status up to date until the replica stops.
pub struct Actor {
    /// What it is made of.
    sources: Sources,
    /// The status.
    status: watch::Sender<Status>,
}

impl Actor {
    /// Not running yet.
    pub fn new(sources: Sources, status: watch::Sender<Status>) -> Self {
        Self { sources, status }
    }

    /// Runs until it is cancelled or the replica has stopped.
    pub async fn run(mut self, cancel: CancellationToken) {
        while self.status.borrow().stopped.is_none() {
            self.publish();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                changed = self.sources.metrics.changed() => if changed.is_err() { return self.stop() },
                // Who watches the disk may have ended before; what it said last holds.
                Ok(()) = self.sources.health.changed() => {}
                Ok(()) = self.sources.holes.changed() => {}
                Ok(()) = self.sources.taken.changed() => {}
                Ok(()) = self.sources.filled.changed() => {}
                changed = self.sources.progress.changed() => if changed.is_err() { return self.last_words().await },
            }
        }
    }

    /// The state machine is gone: openraft mostly says why a moment later.
    async fn last_words(&mut self) {
        let said = async {
            while self.sources.metrics.borrow_and_update().running_state.is_ok()
                && self.sources.metrics.changed().await.is_ok()
            {}
        };
        // It matters that it stopped; why is for people.
        drop(tokio::time::timeout(LAST_WORDS, said).await);
        self.stop();
    }

    fn publish(&mut self) {
        let sources = &mut self.sources;
        let metrics = sources.metrics.borrow_and_update().clone();
        let mut status = Status::of(&metrics, &sources.progress.borrow_and_update());
        status.missing = sources.holes.borrow_and_update().iter().map(|hole| (hole.from, hole.upto)).collect();
        status.snapshots = sources.taken.borrow_and_update().clone();
        status.filled = *sources.filled.borrow_and_update();
        let status = status.hushed(metrics.id.node, &sources.health.borrow_and_update());
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }

    /// Both ends are told apart from a living replica: openraft's core may end without a word, because it panicked, and
    /// its last metrics still say that all is well.
    fn stop(&mut self) {
        self.publish();
        self.status.send_modify(|status| {
            status.stopped.get_or_insert_with(|| "the raft core has ended".to_owned());
        });
    }
}
