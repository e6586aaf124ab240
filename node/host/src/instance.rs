//! One incarnation of an agent while it runs here: its identity, its mailbox, its sessions. Not its process.

use crate::bus::send_queues::SendQueues;
use crate::mailbox::Mailbox;
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::agent::{Agent, AgentName, Hold, Placement, Restart, Spec};
use symbi_model::{AgentId, Epoch, Incarnation, NodeId, State};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a node is to run: an agent, under one placement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The agent's id.
    pub(crate) id: AgentId,
    /// What was asked for when it was placed.
    pub(crate) spec: Arc<Spec>,
    /// Why it cannot be run, if its spec cannot be read: then `spec` is no more than its name and owner.
    pub(crate) unreadable: Option<String>,
    /// The fence.
    pub(crate) epoch: Epoch,
    /// The log index of the `Place`.
    pub(crate) index: u64,
}

impl Assignment {
    /// The agent's name.
    pub(crate) fn name(&self) -> &AgentName {
        &self.spec.name
    }

    /// What `agent`'s placement assigns to `node`, if it holds it.
    pub(crate) fn of(agent: &Agent, node: &NodeId) -> Option<Self> {
        let Placement { epoch, index, .. } = *held_by(agent, node)?;
        let (spec, unreadable) = match agent.spec.read() {
            Ok(spec) => (spec, None),
            Err(error) => {
                let spec = Spec::new(agent.spec.name.clone(), &agent.spec.owner, Vec::new());
                (Spec { restart: Restart::Never, ..spec }, Some(error.to_string()))
            }
        };
        Some(Self { id: agent.id, spec: Arc::new(spec), unreadable, epoch, index })
    }

    /// The agent's record, if `state` still assigns just this to `node`.
    pub(crate) fn in_force<'a>(&self, state: &'a State, node: &NodeId) -> Option<&'a Agent> {
        let agent = state.agents.get(self.name()).filter(|agent| agent.id == self.id)?;
        held_by(agent, node).filter(|placement| placement.epoch == self.epoch).map(|_| agent)
    }
}

fn held_by<'a>(agent: &'a Agent, node: &NodeId) -> Option<&'a Placement> {
    agent.placement.as_ref().filter(|placement| placement.node == *node && placement.hold == Hold::Held)
}

/// One incarnation.
pub(crate) struct Instance {
    /// What it was started for.
    pub(crate) assignment: Assignment,
    /// Which start this is.
    pub(crate) incarnation: Incarnation,
    /// The key that its sessions' credentials name; made for this incarnation alone.
    pub(crate) cnf: SigningKey,
    /// What waits for it.
    pub(crate) mailbox: Mailbox,
    /// What waits to leave of it.
    pub(crate) send_queues: SendQueues,
    /// Cancelled when it has ended.
    pub(crate) ended: CancellationToken,
    /// Whether the lifecycle lets effects be tested at all.
    gates: watch::Sender<bool>,
}

impl Instance {
    /// An incarnation whose gates are shut.
    pub(crate) fn new(
        assignment: Assignment,
        incarnation: Incarnation,
        cnf: SigningKey,
        mailbox: Mailbox,
        send_queues: SendQueues,
    ) -> Self {
        let ended = CancellationToken::new();
        Self { assignment, incarnation, cnf, mailbox, send_queues, ended, gates: watch::Sender::new(false) }
    }

    /// Opens or shuts its gates.
    pub(crate) fn set_open(&self, open: bool) {
        self.gates.send_replace(open);
    }

    /// Whether its gates are open, as far as its lifecycle goes.
    pub(crate) fn is_open(&self) -> bool {
        *self.gates.borrow()
    }

    /// Whether its gates are open, for those who wait for it.
    pub(crate) fn gates(&self) -> watch::Receiver<bool> {
        self.gates.subscribe()
    }
}

/// The incarnations that run here, by name: at most one of each.
#[derive(Default)]
pub(crate) struct Instances {
    /// Those that have answered `initialize`.
    live: Mutex<BTreeMap<AgentName, Arc<Instance>>>,
}

impl Instances {
    /// Adds `instance` in place of an earlier incarnation of the same agent.
    pub(crate) fn insert(&self, instance: Arc<Instance>) {
        let name = instance.assignment.name().clone();
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(name, instance);
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Instance>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The one of that name.
    pub(crate) fn get(&self, name: &AgentName) -> Option<Arc<Instance>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Whether the one of that name runs under this epoch, its gates open.
    pub(crate) fn is_open(&self, name: &AgentName, epoch: Epoch) -> bool {
        self.get(name).is_some_and(|instance| instance.assignment.epoch == epoch && instance.is_open())
    }

    /// Removes just this incarnation.
    pub(crate) fn remove(&self, instance: &Arc<Instance>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.get(instance.assignment.name()).is_some_and(|held| Arc::ptr_eq(held, instance)) {
            live.remove(instance.assignment.name());
        }
    }
}
