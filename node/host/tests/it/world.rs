//! Two nodes of a cluster wired in memory: one authoritative state, to which real commands are applied, and a host on each.
//!
//! Time is tokio's, paused. What a test may break: a node's grants, the speed at which it hears of changes, and the
//! way between the nodes.

mod ways;

pub use ways::Direction;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use symbi_host::{Event, GrantCall, Handle, Options, Ports};
use symbi_model::agent::{AgentName, AgentState, Resources, Spec, Status};
use symbi_model::command::{CreateToken, Enrol, Genesis};
use symbi_model::entry::{CONTROL, Entry, Item, Payload};
use symbi_model::node::Profile;
use symbi_model::policy::PermitRef;
use symbi_model::{
    AgentId, Batch, ClusterId, Command, Committed, DecisionId, Epoch, Hash, NodeId, Outcome, PolicyNumber, Proposal,
    ProposeError, State, TokenId, apply, codec,
};
use symbi_policy::credential::IssuerKey;
use symbi_sandbox::{Driver, Scripted};
use symbi_store::memory::{Disk, Memory};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use ways::{Handles, LOOK_AGAIN};

const TERM: u64 = 1;
const EPOCH_MS: u64 = 1_790_000_000_000;
/// Longer than anything that must come takes.
const LONG: Duration = Duration::from_secs(300);

/// How much there is room for on a node.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Messages in a mailbox.
    pub mailbox: usize,
    /// Sessions of one sender.
    pub sessions: usize,
}

/// Room for few messages, so that tests can fill it, and for as many sessions as usual.
pub const SMALL: Room = Room { mailbox: 4, sessions: 1_024 };

/// The agreed state, and who hears of it.
struct Log {
    /// The state.
    state: State,
    /// The index of the last entry.
    index: u64,
    /// Tells tests.
    told: watch::Sender<State>,
    /// Tells nodes, those that hear.
    watchers: Vec<(Arc<AtomicBool>, watch::Sender<State>)>,
}

/// A node of the world.
pub struct Node {
    /// Its key.
    pub key: SigningKey,
    /// Its id.
    pub id: NodeId,
    /// Its host.
    pub handle: Handle,
    /// Whether it is granted anything.
    pub granted: Arc<AtomicBool>,
    /// Whether it hears of changes.
    pub hears: Arc<AtomicBool>,
    /// What its host has told of effects.
    pub events: Arc<Mutex<Vec<Event>>>,
    /// The way from it to others.
    pub direction: Arc<Mutex<Direction>>,
    /// The places on the way from it.
    pub places: Arc<Semaphore>,
    /// Whether what it proposes is committed.
    pub commits: Arc<AtomicBool>,
    /// The frames that it has sent.
    pub sent: Arc<Mutex<Vec<Bytes>>>,
}

/// The world.
pub struct World {
    /// What is agreed.
    log: Arc<Mutex<Log>>,
    /// Whom frames go to.
    handles: Handles,
    /// The nodes' issuing keys.
    issuers: [Arc<IssuerKey>; 2],
    /// The nodes' disks.
    disks: [Arc<Disk>; 2],
    /// Its nodes: n1, n2.
    pub nodes: Vec<Node>,
}

impl World {
    /// Two nodes, granted and hearing, that can start the programs of `driver`.
    pub async fn new(driver: Scripted) -> Self {
        Self::with_policies(driver, symbi_policy::STARTER).await
    }

    /// The same with processes of this machine, whose files are in `dirs`.
    pub async fn with_processes(dirs: [std::path::PathBuf; 2]) -> Self {
        let drivers = dirs.map(|dir| symbi_sandbox::Process::new(symbi_sandbox::process::Options::new(dir)).unwrap());
        Self::with_drivers(drivers.map(|driver| Arc::new(driver) as Arc<dyn Driver>), symbi_policy::STARTER, &SMALL)
            .await
    }

    /// The same with mailboxes of the usual size.
    pub async fn with_large_mailboxes(driver: Scripted) -> Self {
        Self::with_room(driver, Room { mailbox: 1_024, ..SMALL }).await
    }

    /// The same with so much room in mailboxes and for sessions.
    pub async fn with_room(driver: Scripted, room: Room) -> Self {
        let driver: Arc<dyn Driver> = Arc::new(driver);
        Self::with_drivers([Arc::clone(&driver), driver], symbi_policy::STARTER, &room).await
    }

    /// The same with any driver.
    pub async fn with_driver(driver: impl Driver) -> Self {
        let driver: Arc<dyn Driver> = Arc::new(driver);
        Self::with_drivers([Arc::clone(&driver), driver], symbi_policy::STARTER, &SMALL).await
    }

    /// The same under other policies.
    pub async fn with_policies(driver: Scripted, policies: &str) -> Self {
        let driver: Arc<dyn Driver> = Arc::new(driver);
        Self::with_drivers([Arc::clone(&driver), driver], policies, &SMALL).await
    }

    async fn with_drivers(drivers: [Arc<dyn Driver>; 2], policies: &str, room: &Room) -> Self {
        let keys = [SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32])];
        let issuers = [IssuerKey::generate([11; 32]), IssuerKey::generate([12; 32])].map(Arc::new);
        let log = Arc::new(Mutex::new(Log {
            state: State::default(),
            index: 0,
            told: watch::Sender::default(),
            watchers: Vec::new(),
        }));
        found(&log, &keys, &issuers, policies);
        let (handles, disks) = (Handles::default(), [Disk::new(), Disk::new()]);
        let mut nodes = Vec::new();
        for (number, (key, issuer)) in keys.into_iter().zip(issuers.clone()).enumerate() {
            let below = (&drivers[number], &disks[number]);
            nodes.push(node(&log, &handles, below, key, issuer, (number, 1, room)));
        }
        let world = Self { log, handles, issuers, disks, nodes };
        world.settle().await;
        world
    }

    /// Stops the host of node `number` in order, and starts it again.
    pub async fn restart(&mut self, number: usize, driver: impl Driver) {
        let old = &self.nodes[number];
        old.handle.shutdown().await;
        let issuer = Arc::clone(&self.issuers[number]);
        let driver: Arc<dyn Driver> = Arc::new(driver);
        let below = (&driver, &self.disks[number]);
        self.nodes[number] = node(&self.log, &self.handles, below, old.key.clone(), issuer, (number, 2, &SMALL));
        self.settle().await;
    }

    /// Lets everything that is ready happen.
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Waits until `look` finds something, and answers it.
    pub async fn eventually<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let looking = async {
            loop {
                match look() {
                    Some(found) => return found,
                    None => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        };
        tokio::time::timeout(LONG, looking).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// Waits until an agent has written `count` lines on node `number`, and answers all that it has then.
    pub async fn logged(&self, number: usize, name: &str, count: usize) -> Vec<String> {
        let logs = || self.nodes[number].handle.logs(&agent(name), 1_000).filter(|lines| lines.len() >= count);
        self.eventually("an agent's lines", logs).await;
        // One too many comes with the others.
        self.settle().await;
        self.nodes[number].handle.logs(&agent(name), 1_000).unwrap()
    }

    /// The agreed state.
    pub fn state(&self) -> State {
        self.log.lock().unwrap().state.clone()
    }

    /// Applies a user's command.
    pub fn command(&self, command: Command) -> Outcome {
        self.log.lock().unwrap().commit(&self.nodes[0].key, command, Some(permit()), None)
    }

    /// Applies a leader's command.
    pub fn lead(&self, command: Command) -> Outcome {
        self.log.lock().unwrap().commit(&self.nodes[0].key, command, None, Some(TERM))
    }

    /// Lets node `number` hear of all that it has missed.
    pub fn catch_up(&self, number: usize) {
        self.nodes[number].hears.store(true, Ordering::SeqCst);
        self.log.lock().unwrap().publish();
    }

    /// Records an agent of `owner` that runs `program`.
    pub fn create(&self, name: &str, owner: &str, program: &str, change: impl FnOnce(&mut Spec)) {
        let mut spec = Spec {
            resources: Resources { memory_mb: 16, cpu_millis: 10 },
            ..Spec::new(name.parse().unwrap(), owner, vec![program.to_owned()])
        };
        change(&mut spec);
        let id = AgentId(Uuid::from_u128(u128::from(self.state().counters.applied_index) + 1));
        let outcome = self.command(Command::create_agent(&self.state(), id, spec, "admin".to_owned()));
        assert!(matches!(outcome, Outcome::Created { .. }), "{outcome:?}");
    }

    /// Places an agent on node `number`.
    pub fn place(&self, name: &str, number: usize) -> Epoch {
        let agent = self.agent(name);
        let expected = agent.placement.map(|placement| placement.epoch);
        let node = self.nodes[number].id;
        match self.lead(Command::Place { name: name.parse().unwrap(), id: agent.id, expected, node }) {
            Outcome::Placed { epoch } => epoch,
            other => panic!("{name} was not placed: {other:?}"),
        }
    }

    /// Condemns node `number`, and takes it up again.
    pub fn condemn(&self, number: usize) {
        let node = self.nodes[number].id;
        assert_eq!(self.lead(Command::NodeDown { node }), Outcome::Done);
        assert_eq!(self.lead(Command::NodeUp { node }), Outcome::Done);
    }

    /// Records an agent, places it, and waits until it runs.
    pub async fn run(&self, name: &str, owner: &str, program: &str, number: usize) -> Epoch {
        self.create(name, owner, program, |_| ());
        let epoch = self.place(name, number);
        self.until(name, AgentState::Running).await;
        epoch
    }

    /// An agent's record.
    pub fn agent(&self, name: &str) -> symbi_model::agent::Agent {
        self.state().agents.get(&agent(name)).unwrap_or_else(|| panic!("{name} has no record")).clone()
    }

    /// Waits until the state says that `name` is `state`, and returns what else it says.
    pub async fn until(&self, name: &str, state: AgentState) -> Status {
        self.until_status(name, |status| status.state == state).await
    }

    /// Waits until what the state says of `name` is as wanted.
    pub async fn until_status(&self, name: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let status = |state: &State| state.agents.get(&agent(name)).and_then(|agent| agent.status.clone());
        let mut states = self.log.lock().unwrap().told.subscribe();
        let seen = states.wait_for(|state| status(state).is_some_and(|status| wanted(&status)));
        match tokio::time::timeout(LONG, seen).await {
            Ok(state) => status(&state.expect("the world keeps it")).expect("just seen"),
            Err(_) => panic!("waited in vain for {name}: {:?}", status(&self.state())),
        }
    }
}

/// An agent's name.
pub fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

impl Log {
    fn commit(
        &mut self,
        key: &SigningKey,
        command: Command,
        permit: Option<PermitRef>,
        decided_term: Option<u64>,
    ) -> Outcome {
        let time_ms = EPOCH_MS + self.index;
        let batch = match (&self.state.cluster, command) {
            (None, Command::Genesis(genesis)) => Batch::genesis(genesis, [0; 16], key, time_ms),
            (Some(cluster), command) => {
                let items = vec![Item::new(None, permit, [0; 16], &command)];
                Batch::sign(cluster.id, CONTROL, key, time_ms, decided_term, items)
            }
            (None, other) => panic!("no cluster yet for {other:?}"),
        };
        self.index += 1;
        let payload = Payload::Batch(codec::encode_batch(&batch));
        let applied = apply(&mut self.state, &Entry { term: TERM, index: self.index, payload });
        assert_eq!(applied.error, None);
        self.publish();
        applied.outcomes[0].clone()
    }

    fn publish(&self) {
        self.told.send_replace(self.state.clone());
        for (hears, watcher) in &self.watchers {
            if hears.load(Ordering::SeqCst) {
                watcher.send_replace(self.state.clone());
            }
        }
    }
}

fn permit() -> PermitRef {
    PermitRef { decision: DecisionId { node: [1; 4], id: Uuid::nil() }, policy_set: PolicyNumber(1), credential: None }
}

fn profile(issuer: &IssuerKey, number: u8) -> Profile {
    Profile::plain(
        ([127, 0, 0, 1], 7400 + u16::from(number)).into(),
        issuer.public(),
        Resources { memory_mb: 8_000, cpu_millis: 8_000 },
    )
}

fn found(log: &Mutex<Log>, keys: &[SigningKey; 2], issuers: &[Arc<IssuerKey>; 2], policies: &str) {
    let mut log = log.lock().unwrap();
    let [first, second] = [0, 1].map(|number| NodeId(keys[number].verifying_key().to_bytes()));
    let genesis = Genesis {
        cluster: ClusterId(Uuid::from_u128(7)),
        name: "test".to_owned(),
        domain: "test.symbi.internal".to_owned(),
        node: first,
        node_name: "n1".to_owned(),
        profile: profile(&issuers[0], 1),
        gate: symbi_model::gate::CURRENT,
        admin_token: Hash::of(&[b"token"]),
        policies: policies.to_owned(),
        secret: symbi_model::secret::Secret([7; 32]),
    };
    let token = TokenId([9; 6]);
    let actor = "admin".to_owned();
    let created = CreateToken { token, verifier: [0; 32], uses: 1, expires_ms: EPOCH_MS * 2, actor };
    let enrol = Enrol { node: second, name: "n2".to_owned(), profile: profile(&issuers[1], 2), token };
    assert_eq!(log.commit(&keys[0], Command::Genesis(genesis), None, None), Outcome::Done);
    assert_eq!(log.commit(&keys[0], Command::CreateToken(created), Some(permit()), None), Outcome::Done);
    assert_eq!(log.commit(&keys[0], Command::Enrol(enrol), Some(permit()), None), Outcome::Done);
    assert_eq!(log.commit(&keys[0], Command::FinishJoin { node: second }, None, Some(TERM)), Outcome::Done);
}

fn node(
    log: &Arc<Mutex<Log>>,
    handles: &Handles,
    (driver, disk): (&Arc<dyn Driver>, &Arc<Disk>),
    key: SigningKey,
    issuer: Arc<IssuerKey>,
    (number, boot, room): (usize, u64, &Room),
) -> Node {
    let id = NodeId(key.verifying_key().to_bytes());
    let [granted, hears, commits] = [(); 3].map(|()| Arc::new(AtomicBool::new(true)));
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let (direction, sent) = (Arc::new(Mutex::new(Direction::Open)), Arc::new(Mutex::new(Vec::new())));
    let state = {
        let mut log = log.lock().unwrap();
        let (watcher, state) = watch::channel(log.state.clone());
        log.watchers.push((Arc::clone(&hears), watcher));
        state
    };
    let (since, seed) = (Instant::now(), u8::try_from(number).unwrap());
    // Clocks disagree by more than a join allows: no deadline may depend on that.
    let ahead_ms = 3_000 * u64::from(seed);
    let wall_ms = Arc::new(move || EPOCH_MS + ahead_ms + u64::try_from(since.elapsed().as_millis()).unwrap());
    let boottime = Arc::new(move || Duration::from_secs(1_000) + since.elapsed());
    let clocks = symbi_policy::Clocks { wall_ms: wall_ms.clone(), boottime: boottime.clone() };
    let gate = symbi_policy::Gate::new(symbi_policy::Options::new(id), clocks);
    let heard = Arc::clone(&events);
    let permits = Arc::new(Semaphore::new(ways::MANY));
    let peers = ways::peers(Arc::clone(handles), id, Arc::clone(&direction), Arc::clone(&sent));
    let ports = Ports {
        state,
        proposals: proposals(Arc::clone(log), key.clone(), Arc::clone(&commits)),
        driver: Arc::clone(driver),
        gate,
        peers: peers.clone(),
        places: ways::places(peers, Arc::clone(&direction), Arc::clone(&permits)),
        grants: grants(Arc::clone(log), Arc::clone(&granted)),
        wall_ms,
        boottime,
        observer: Arc::new(move |event| heard.lock().unwrap().push(event)),
    };
    let Room { mailbox, sessions } = *room;
    let options = Options { mailbox, sessions, ..Options::new(Arc::new(key.clone()), boot, issuer, [seed; 32]) };
    let engine = Arc::new(Memory::open(Arc::clone(disk)).expect("nobody else has it open"));
    let handle = symbi_host::spawn(ports, options, engine, CancellationToken::new());
    handles.lock().unwrap().insert(id, handle.clone());
    Node { key, id, handle, granted, hears, events, direction, places: permits, commits, sent }
}

fn proposals(log: Arc<Mutex<Log>>, key: SigningKey, commits: Arc<AtomicBool>) -> symbi_control::Proposals {
    let (sender, mut received) = mpsc::channel::<Proposal<oneshot::Sender<Result<Committed, ProposeError>>>>(64);
    tokio::spawn(async move {
        while let Some(proposal) = received.recv().await {
            if !commits.load(Ordering::SeqCst) {
                let _ = proposal.reply.send(Err(ProposeError::NoLeader));
                continue;
            }
            let mut log = log.lock().unwrap();
            let outcome = log.commit(&key, proposal.command, proposal.permit, proposal.decided_term);
            let _ = proposal.reply.send(Ok(Committed { index: log.index, position: 0, outcome }));
        }
    });
    sender
}

fn grants(log: Arc<Mutex<Log>>, granted: Arc<AtomicBool>) -> mpsc::Sender<GrantCall> {
    let (sender, mut calls) = mpsc::channel::<GrantCall>(8);
    tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            if granted.load(Ordering::SeqCst) {
                let _ = call.reply.send(Some((TERM, log.lock().unwrap().index)));
            }
        }
    });
    sender
}
