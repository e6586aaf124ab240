//! What the interface needs of the rest of the node, as channels and handles.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::record::{BatchLine, Record};
use symbi_model::{DecisionId, MessageId, NodeId, State};
use symbi_policy::Verdict;
use tokio::sync::{mpsc, oneshot, watch};

/// Everything a handler can reach.
#[derive(Clone)]
pub struct Ports {
    /// This node.
    pub node: NodeId,
    /// The replicated state, as far as this node has applied it.
    pub state: watch::Receiver<State>,
    /// What this node knows of the group and of its neighbours.
    pub view: watch::Receiver<View>,
    /// Where writes go.
    pub proposals: symbi_control::Proposals,
    /// Who judges.
    pub gate: symbi_policy::Gate,
    /// What is asked of the composition root.
    pub calls: mpsc::Sender<Call>,
    /// Wall clock, ms since the Unix epoch.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Where the cluster port of this node listens, for join commands.
    pub advertise: std::net::SocketAddr,
}

/// What this node knows of the group and of its neighbours, at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The current term.
    pub term: u64,
    /// Who leads, if anybody is known to.
    pub leader: Option<NodeId>,
    /// The last index known to be committed.
    pub committed: u64,
    /// Every voter of the current configuration.
    pub voters: Vec<NodeId>,
    /// How long ago each other node was last heard.
    pub heard: BTreeMap<NodeId, Duration>,
    /// How long ago the leader was last heard; zero on the leader itself.
    pub leader_heard: Option<Duration>,
    /// Why this node is not ready to serve; none when it is.
    pub not_ready: Option<String>,
}

/// Who speaks, in a message from outside.
#[derive(Clone, Debug)]
pub enum Speaker {
    /// The caller itself, through this node's gateway.
    User(String),
    /// An agent, on whose behalf a user with the admin scope acts.
    OnBehalf {
        /// The agent.
        agent: AgentName,
        /// The user.
        user: String,
    },
}

/// A message from outside.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who speaks.
    pub from: Speaker,
    /// To whom.
    pub to: AgentName,
    /// The payload, compact JSON.
    pub payload: Vec<u8>,
    /// For how long an answer is awaited.
    pub timeout: Duration,
}

/// What the composition root is asked to do.
pub enum Call {
    /// Confirms with the leader that everything committed before now has at most the answered index.
    ReadIndex(oneshot::Sender<Option<u64>>),
    /// Asks an agent.
    Ask(Message, oneshot::Sender<(MessageId, symbi_host::Ending)>),
    /// Tells an agent.
    Tell(Message, oneshot::Sender<(MessageId, symbi_host::TellStatus)>),
    /// Finds a verdict on the node that gave it.
    Decision(DecisionId, oneshot::Sender<Result<Option<Verdict>, String>>),
    /// The last lines that an agent wrote, from the node where it runs.
    Logs(AgentName, u32, oneshot::Sender<Result<Option<Vec<String>>, String>>),
    /// Lines of this node's audit chain, from a place in it on.
    Audit(Place, usize, oneshot::Sender<Result<Vec<AuditLine>, String>>),
    /// Signs what a bundle's manifest asks for with this node's key.
    SignBundle(Vec<u8>, oneshot::Sender<[u8; 64]>),
    /// Why an agent is where it is, or nowhere: first the answer, under no name, then a line for each node.
    WhyAgent(AgentName, oneshot::Sender<Vec<(String, String)>>),
}

/// A place in the audit chain: the log index, and the line of its entry (0 is the batch's own, `position + 1` a record's).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The log index.
    pub index: u64,
    /// The line of the entry.
    pub line: u32,
}

/// One line of the audit chain, in log order.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all lines are records: boxing them would cost an allocation each"
)]
#[derive(Clone, Debug)]
pub enum AuditLine {
    /// What the chain keeps of a batch; its records follow.
    Batch(BatchLine),
    /// A record.
    Record(Record),
}
