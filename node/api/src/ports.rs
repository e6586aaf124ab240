//! What the interface needs of the rest of the node, as channels and handles.

use crate::bench::{BenchAgents, Found, Order};
use crate::error::Error;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::policy::PermitRef;
use symbi_model::record::{BatchLine, Record};
use symbi_model::{Claim, DecisionId, MessageId, NodeId, State};
use symbi_policy::Account;
use symbi_proto::wire::Witnessed;
use symbi_proto::wire::ledger::{Chunk, Sighting};
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
    /// What this node knows of the checkpoints of the audit chain.
    pub witness: watch::Receiver<Witness>,
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

/// What this node knows of the checkpoints of the audit chain.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// Every hop, by size, with its signatures.
    pub hops: Arc<[Witnessed]>,
    /// The last others that were witnessed, by size.
    pub last: Vec<Witnessed>,
    /// The first hop that three voters or more have signed: what is worth keeping elsewhere.
    pub pin: Option<Claim>,
    /// How many records the last witnessed checkpoint covers; 0 if there is none.
    pub witnessed: u64,
    /// How many times a voter has signed another history than this node's.
    pub conflicts: u64,
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
    /// The log entries whose audit is not on this node yet, as ranges of first and last.
    pub missing: Vec<(u64, u64)>,
    /// Every voter of the current configuration.
    pub voters: Vec<NodeId>,
    /// How long ago each other node was last heard.
    pub heard: BTreeMap<NodeId, Duration>,
    /// How long ago the leader was last heard; zero on the leader itself.
    pub leader_heard: Option<Duration>,
    /// The longest that this node went without hearing its leader in the last minute or two; none where there was none to hear.
    pub silence: Option<Duration>,
    /// Why this node is not ready to serve; none when it is.
    pub not_ready: Option<String>,
    /// How long a heartbeat took to each connected node and back.
    pub round_trips: BTreeMap<NodeId, Duration>,
    /// What each node last said of itself, this one too.
    pub said: BTreeMap<NodeId, Said>,
    /// How many views of each node were refused.
    pub refused: BTreeMap<NodeId, u64>,
}

/// What a node said of itself.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its view.
    pub view: symbi_proto::wire::View,
    /// How long ago it was heard.
    pub age: Duration,
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
        /// By which decision of this node.
        permit: PermitRef,
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
    Ask(Message, oneshot::Sender<Result<(MessageId, symbi_host::Ending), Error>>),
    /// Tells an agent.
    Tell(Message, oneshot::Sender<Result<(MessageId, symbi_host::TellStatus), Error>>),
    /// Has the node that gave a verdict account for it.
    Decision(DecisionId, oneshot::Sender<Result<Option<Account>, String>>),
    /// The decisions from one id to another that any node knows.
    Decisions(DecisionId, DecisionId, oneshot::Sender<Decided>),
    /// The last lines that an agent wrote, from the node where it runs.
    Logs(AgentName, u32, oneshot::Sender<Result<Option<Vec<String>>, String>>),
    /// Lines of this node's audit chain, from a place in it on. None means that there are none; those that are not here yet are
    /// [`Error::Incomplete`].
    Audit(Place, usize, oneshot::Sender<Result<Vec<AuditLine>, Error>>),
    /// Signs what a bundle's manifest asks for with this node's key.
    SignBundle(Vec<u8>, oneshot::Sender<[u8; 64]>),
    /// Runs the bench.
    Bench(Order, oneshot::Sender<Result<Found, Error>>),
    /// Makes the agents of a run whose clients are elsewhere.
    BenchProvision(Order, oneshot::Sender<Result<BenchAgents, Error>>),
    /// Removes the agents of this node's runs, for a user.
    BenchTeardown(String, oneshot::Sender<Result<(), Error>>),
    /// What every ledger that can be asked knows of messages whose ids begin so.
    Message(String, oneshot::Sender<Traced>),
    /// Lines of a node's ledger from a number on.
    Ledger(NodeId, u64, oneshot::Sender<Result<Chunk, String>>),
    /// Why an agent is where it is, or nowhere: first the answer, under no name, then a line for each node.
    WhyAgent(AgentName, oneshot::Sender<Vec<(String, String)>>),
}

/// What is known of messages whose ids begin alike.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    /// What was seen.
    pub seen: Vec<Sighting>,
    /// Whether there may be more.
    pub more: bool,
    /// The names of the members that did not answer.
    pub unreachable: Vec<String>,
}

/// What is known of decisions whose ids begin alike.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// Their ids.
    pub ids: Vec<DecisionId>,
    /// Whether there may be more.
    pub more: bool,
    /// The names of the members that did not answer.
    pub unreachable: Vec<String>,
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
