//! A cluster of one replica: applies what is proposed with the model's own `apply`, confirms what it is asked, and keeps a
//! log of it all.

use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use symbi_control::reconcile::{Agreed, ChangeRequest, ConfirmLead, Leadership, Replication};
use symbi_control::{Handle, Options, Ports, spawn};
use symbi_model::agent::{Agent, Resources, Spec};
use symbi_model::command::Genesis;
use symbi_model::entry::{Batch, Entry, Item, Payload};
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::{
    AgentId, ClusterId, Command, Committed, GroupId, Hash, NodeId, Proposal, ProposeError, State, apply, codec,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

type Asked = Proposal<oneshot::Sender<Result<Committed, ProposeError>>>;

/// The term in which the world's node leads at first.
pub const TERM: u64 = 5;
/// Longer than anything that must come takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the world shares with the task that serves its channels.
pub struct Inner {
    /// The only replica.
    state: State,
    /// The key of `a`.
    key: SigningKey,
    /// The current term.
    pub term: u64,
    /// What happened: `down c`, `place a1 b`, `learner d`, … in order.
    pub log: Vec<String>,
    /// Proposals are kept and not answered.
    pub held: Option<VecDeque<Asked>>,
    /// Confirmation rounds have no quorum.
    pub cut_off: bool,
}

/// The world, from a test's side. Node `a` is the one that leads.
pub struct World {
    /// What is shared.
    pub inner: Arc<Mutex<Inner>>,
    /// Where the state is told.
    pub state: watch::Sender<State>,
    /// Whether `a` leads.
    pub leadership: watch::Sender<Option<Leadership>>,
    /// Who replicates.
    pub replication: watch::Sender<Replication>,
    /// Which hop was witnessed last, and who is with it.
    pub agreed: watch::Sender<Agreed>,
    /// The reconciler.
    pub handle: Handle,
    /// When the world began.
    pub began: Instant,
    /// Ends the reconciler with the world.
    _cancel: tokio_util::sync::DropGuard,
}

impl World {
    /// A cluster of these nodes, `a` first: all members and up, all voters, and `a` leads.
    pub fn new(nodes: &str) -> Self {
        let inner = Arc::new(Mutex::new(Inner::new(nodes)));
        let (state, state_receiver) = watch::channel(lock(&inner).state.clone());
        let first_index = lock(&inner).state.counters.applied_index;
        let (leadership, leadership_receiver) = watch::channel(Some(Leadership { term: TERM, first_index }));
        let voters = nodes.chars().map(id).collect();
        let (replication, replication_receiver) = watch::channel(Replication { voters, ..Replication::default() });
        let (proposals, asked) = mpsc::channel(64);
        let (confirm, confirms) = mpsc::channel(64);
        let (changes, change_requests) = mpsc::channel(64);
        let (_, views) = watch::channel(BTreeMap::new());
        // Who is there at the beginning has been at one with the others.
        let matched = nodes.chars().map(id).collect();
        let (agreed, agreements) = watch::channel(Agreed { hop: None, matched });
        let began = Instant::now();
        let ports = Ports {
            state: state_receiver,
            leadership: leadership_receiver,
            proposals,
            confirm,
            replication: replication_receiver,
            changes,
            agreed: agreements,
            views,
            boottime: Arc::new(move || began.elapsed()),
        };
        let cancel = CancellationToken::new();
        let (handle, _) = spawn(ports, Options::default(), cancel.clone());
        tokio::spawn(serve(Arc::clone(&inner), state.clone(), asked, confirms, change_requests));
        Self { inner, state, leadership, replication, agreed, handle, began, _cancel: cancel.drop_guard() }
    }

    /// What is shared.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Edits the tables by hand, as other nodes' commands would.
    pub fn edit(&self, edit: impl FnOnce(&mut State)) {
        let mut inner = self.lock();
        edit(&mut inner.state);
        inner.state = inner.state.clone().recounted();
        self.state.send_replace(inner.state.clone());
    }

    /// Has Raft's voters be these.
    pub fn seat(&self, voters: &[char]) {
        let mut inner = self.lock();
        let voters = vec![voters.iter().map(|name| id(*name)).collect()];
        inner.apply_payload(Payload::Membership { voters, learners: Vec::new() });
        self.state.send_replace(inner.state.clone());
    }

    /// Waits for a state of which `is_so` holds; time runs as far as it takes.
    pub async fn until(&self, is_so: impl FnMut(&State) -> bool) -> State {
        let mut state = self.state.subscribe();
        let found = tokio::time::timeout(PATIENCE, state.wait_for(is_so)).await;
        let found = found.unwrap_or_else(|_| panic!("it never came to be: {:#?}", self.lock().log));
        found.expect("the world stands").clone()
    }

    /// Waits until `look` finds something, and answers it; time runs as far as it takes.
    pub async fn eventually<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let looking = async {
            loop {
                match look() {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| panic!("it never came to be: {:#?}", self.lock().log))
    }

    /// Lets a node ask for a grant every second, until the task is aborted.
    pub fn asks(&self, node: char) -> tokio::task::JoinHandle<()> {
        let handle = self.handle.clone();
        tokio::spawn(async move {
            loop {
                let _ = handle.request_grant(id(node), 1, None).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }

    /// How many of the log's lines begin with `start`.
    pub fn count(&self, start: &str) -> usize {
        self.lock().log.iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Inner {
    fn new(nodes: &str) -> Self {
        let key = key();
        let mut state = State::default();
        let genesis = Batch::genesis(genesis(&key), [0; 16], &key, 1_000);
        let payload = Payload::Batch(codec::encode_batch(&genesis));
        let applied = apply(&mut state, &Entry { term: 1, index: 1, payload });
        assert!(applied.error.is_none() && state.cluster.is_some(), "{:?}", applied.outcomes);
        for name in nodes.chars().skip(1) {
            state.nodes.insert(id(name), node(name, Membership::Member));
        }
        let mut inner = Self { state: state.recounted(), key, term: TERM, log: Vec::new(), held: None, cut_off: false };
        inner.apply_payload(Payload::Blank);
        inner
    }

    fn apply_payload(&mut self, payload: Payload) -> symbi_model::Applied {
        let index = self.state.counters.applied_index + 1;
        apply(&mut self.state, &Entry { term: self.term, index, payload })
    }

    fn carry_out(&mut self, proposal: Asked) {
        let cluster = self.state.cluster.as_ref().expect("a cluster").id;
        let item = Item::new(None, None, [0; 16], &proposal.command);
        let batch = Batch::sign(cluster, GroupId(0), &self.key, 2_000, proposal.decided_term, vec![item]);
        let mut applied = self.apply_payload(Payload::Batch(codec::encode_batch(&batch)));
        let outcome = applied.outcomes.pop().expect("one command, one outcome");
        self.log.push(format!("{}: {}", said(&proposal.command), outcome.code()));
        let index = self.state.counters.applied_index;
        let _ = proposal.reply.send(Ok(Committed { index, position: 0, outcome }));
    }
}

async fn serve(
    inner: Arc<Mutex<Inner>>,
    state: watch::Sender<State>,
    mut asked: mpsc::Receiver<Asked>,
    mut confirms: mpsc::Receiver<ConfirmLead>,
    mut changes: mpsc::Receiver<ChangeRequest>,
) {
    loop {
        tokio::select! {
            Some(proposal) = asked.recv() => {
                let mut inner = lock(&inner);
                if let Some(held) = &mut inner.held {
                    held.push_back(proposal);
                    continue;
                }
                inner.carry_out(proposal);
                state.send_replace(inner.state.clone());
            }
            Some(confirm) = confirms.recv() => {
                let inner = lock(&inner);
                let round = (inner.term, inner.state.counters.applied_index);
                let _ = confirm.reply.send((!inner.cut_off).then_some(round));
            }
            Some(request) = changes.recv() => {
                lock(&inner).log.push(format!("{:?}", request.change));
                let _ = request.reply.send(Ok(()));
            }
            else => return,
        }
    }
}

fn lock(inner: &Arc<Mutex<Inner>>) -> MutexGuard<'_, Inner> {
    inner.lock().expect("no test thread panicked")
}

fn said(command: &Command) -> String {
    match command {
        Command::Place { name, node, .. } => format!("place {name} {}", name_of(*node)),
        Command::NodeDown { node } => format!("down {}", name_of(*node)),
        Command::NodeUp { node } => format!("up {}", name_of(*node)),
        Command::FinishJoin { node } => format!("finish {}", name_of(*node)),
        Command::ClearJoin { node } => format!("clear {}", name_of(*node)),
        other => other.kind().to_string(),
    }
}

/// The key of `a`.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The node of this name; `a` has a real key, for it signs what it proposes.
pub fn id(name: char) -> NodeId {
    if name == 'a' {
        return NodeId(key().verifying_key().to_bytes());
    }
    NodeId([u8::try_from(name).expect("ASCII"); 32])
}

fn name_of(node: NodeId) -> char {
    if node == id('a') { 'a' } else { char::from(node.0[0]) }
}

/// A node's record.
pub fn node(name: char, membership: Membership) -> Node {
    Node {
        name: name.to_string(),
        profile: profile(),
        membership,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: 1_000,
    }
}

fn profile() -> Profile {
    Profile::plain(
        "127.0.0.1:7400".parse().expect("an address"),
        vec![4; 65],
        Resources { memory_mb: 1_000, cpu_millis: 1_000 },
    )
}

/// An agent that wants to run.
pub fn agent(number: u8, memory_mb: u64) -> Agent {
    let spec = Spec {
        resources: Resources { memory_mb, cpu_millis: 10 },
        ..Spec::new(format!("a{number}").parse().expect("a name"), "demo", vec!["true".to_owned()])
    };
    Agent::new(AgentId(Uuid::from_u128(number.into())), spec, 1)
}

fn genesis(key: &SigningKey) -> Genesis {
    Genesis {
        cluster: ClusterId(Uuid::from_u128(1)),
        name: "test".to_owned(),
        domain: "test.symbi.internal".to_owned(),
        node: NodeId(key.verifying_key().to_bytes()),
        node_name: "a".to_owned(),
        profile: profile(),
        gate: symbi_model::gate::CURRENT,
        admin_token: Hash::default(),
        policies: String::new(),
        secret: symbi_model::secret::Secret([7; 32]),
    }
}
