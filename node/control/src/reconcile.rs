//! The reconciler: the actor that, while its node leads, answers requests for grants, brings placements and membership
//! to what the planners say, and has the cluster agree on how far the nodes' ledgers have come.
//!
//! It takes no orders. Woken by changes and by a period it looks at the state, plans, and proposes; so doing it twice does no
//! harm, and a new leader goes on where the last one stopped. One placement plan and one membership step are on their way
//! at a time, and one command of anchors. On a node that does not lead it refuses grants and does nothing else.

mod actor;
mod anchors;
mod task;
mod term;

pub use crate::membership::{Agreed, Change, Replication};

use crate::placement::{self, Explanation, Health, Hints};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::{AgentName, Resources};
use symbi_model::ledger::Anchor;
use symbi_model::{Committed, NodeId, Proposal, ProposeError, State};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where commands go on their way to the log.
pub type Proposals = mpsc::Sender<Proposal<oneshot::Sender<Result<Committed, ProposeError>>>>;

/// A clock that starts anywhere and runs while the machine sleeps.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A view older than this says nothing.
const FRESH: Duration = Duration::from_secs(5);
/// Requests for grants that wait for the actor; with more, askers wait.
const QUEUE: usize = 1024;

/// Everything the reconciler sees and touches.
pub struct Ports {
    /// The replicated state, after each applied entry.
    pub state: watch::Receiver<State>,
    /// Whether this node leads.
    pub leadership: watch::Receiver<Option<Leadership>>,
    /// Where proposals go.
    pub proposals: Proposals,
    /// Where confirmation rounds are asked for.
    pub confirm: mpsc::Sender<ConfirmLead>,
    /// Who replicates; looked at only while this node leads.
    pub replication: watch::Receiver<Replication>,
    /// What of the audit chain its voters have witnessed, and who is with them.
    pub agreed: watch::Receiver<Agreed>,
    /// Where changes of the group are asked for.
    pub changes: mpsc::Sender<ChangeRequest>,
    /// What nodes last said of their resources.
    pub views: watch::Receiver<BTreeMap<NodeId, View>>,
    /// The clock.
    pub boottime: Clock,
}

/// That this node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// In which term.
    pub term: u64,
    /// The index of the first entry of the term, which this node has applied.
    pub first_index: u64,
}

/// Asks for a round, begun after the asking, that confirms that this node leads.
#[derive(Debug)]
pub struct ConfirmLead {
    /// Term and read index; none without a quorum.
    pub reply: oneshot::Sender<Option<(u64, u64)>>,
}

/// Asks for a change of the group.
#[derive(Debug)]
pub struct ChangeRequest {
    /// Which.
    pub change: Change,
    /// Whether it was carried out.
    pub reply: oneshot::Sender<Result<(), String>>,
}

/// What a node said of its resources, by gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// What is used.
    pub used: Resources,
    /// When it was heard, by the reconciler's clock.
    pub heard: Duration,
}

/// How the reconciler paces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often it looks though nothing has changed, and the least time between two placement plans. Default 100 ms.
    pub tick: Duration,
    /// The longest time between two placement plans. Default 1 s.
    pub look_every: Duration,
    /// How long it waits for a confirmation round. Default 2 s.
    pub confirm_deadline: Duration,
    /// How long it waits for a proposal. Default 5 s.
    pub proposal_deadline: Duration,
    /// How long it waits for a change of the group, which may include a snapshot's way. Default 30 s.
    pub change_deadline: Duration,
    /// How many placements of a plan are proposed before it looks again. Default 1,024.
    pub portion: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tick: Duration::from_millis(100),
            look_every: Duration::from_secs(1),
            confirm_deadline: Duration::from_secs(2),
            proposal_deadline: Duration::from_secs(5),
            change_deadline: Duration::from_secs(30),
            portion: 1024,
        }
    }
}

/// A node's right to act for some seconds from the sending of its request, once it has applied `read_index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The leader's term.
    pub term: u64,
    /// See above.
    pub read_index: u64,
}

/// Why there is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefused {
    /// This node does not lead, or could not show in time that it does.
    #[error("this node does not lead")]
    NotLeading,
    /// The node was declared down and is not up again yet; or it is none of the cluster.
    #[error("the node was declared down")]
    Down,
}

/// What is sent to the actor.
enum Message {
    /// A node asks for a grant.
    Ask {
        /// Who.
        node: NodeId,
        /// How often that node has booted.
        boot: u64,
        /// How far its ledger has come; none if it has nothing new.
        anchor: Option<Anchor>,
        /// The answer.
        reply: oneshot::Sender<Result<Grant, GrantRefused>>,
    },
}

/// The reconciler's other side.
#[derive(Clone)]
pub struct Handle {
    /// To the actor.
    messages: mpsc::Sender<Message>,
    /// The replicated state.
    state: watch::Receiver<State>,
    /// What nodes said of their resources.
    views: watch::Receiver<BTreeMap<NodeId, View>>,
    /// What the grants know, while this node leads.
    health: watch::Receiver<Health>,
    /// The clock.
    boottime: Clock,
}

impl Handle {
    /// Asks for a grant on behalf of `node`, which has booted `boot` times, and says how far its ledger has come, if that is something
    /// new. Every node asks alike, the leader's own too.
    ///
    /// # Errors
    /// [`GrantRefused`], also when the actor has ended.
    pub async fn request_grant(&self, node: NodeId, boot: u64, anchor: Option<Anchor>) -> Result<Grant, GrantRefused> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Ask { node, boot, anchor, reply };
        self.messages.send(message).await.map_err(|_| GrantRefused::NotLeading)?;
        answer.await.unwrap_or(Err(GrantRefused::NotLeading))
    }

    /// Explains an agent's placement from this node's own replica; none if there is no such agent. A node that does not lead
    /// does not know which nodes are silent.
    #[must_use]
    pub fn explain(&self, agent: &AgentName) -> Option<Explanation> {
        let state = self.state.borrow().clone();
        let hints = hints(&self.views.borrow(), (self.boottime)());
        placement::explain(&state, &hints, &self.health.borrow(), agent)
    }
}

/// Starts the actor; it ends when `cancel` is cancelled.
pub fn spawn(ports: Ports, options: Options, cancel: CancellationToken) -> (Handle, JoinHandle<()>) {
    let (messages, inbox) = mpsc::channel(QUEUE);
    let (health_sender, health) = watch::channel(Health::default());
    let handle = Handle {
        messages,
        state: ports.state.clone(),
        views: ports.views.clone(),
        health,
        boottime: Arc::clone(&ports.boottime),
    };
    let actor = actor::Actor::new(ports, options, inbox, health_sender);
    (handle, tokio::spawn(actor.run(cancel)))
}

/// What fresh views say.
fn hints(views: &BTreeMap<NodeId, View>, now: Duration) -> Hints {
    let fresh = views.iter().filter(|(_, view)| now.saturating_sub(view.heard) <= FRESH);
    fresh.map(|(node, view)| (*node, view.used)).collect()
}
