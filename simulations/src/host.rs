//! A host: one life of a production node inside turmoil, from its start to a crash or to the end of the run.
//!
//! What a real machine keeps on its disk is kept outside: the [`symbi_store::memory::Disk`], and the few small files of a data
//! directory as [`Files`]. The order in which they are written is the production node's.

use crate::clients::errands::{self, Errand};
use crate::clients::{admin, audit, talker, watcher, writer};
use crate::clock::{Lease, Wall, clocks};
use crate::ledger::Ledger;
use crate::trace::{Event, Recorder};
use crate::transport::Tcp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::node::Profile;
use symbi_model::{NodeId, Outcome, State};
use symbi_net::Member;
use symbi_node::failure::Failure;
use symbi_node::join::{self, Ended, Progress};
use symbi_node::node::{self, Config, Network, Node, Parts};
use symbi_node::options::Options;
use symbi_policy::credential::IssuerKey;
use symbi_proto::wire::Usage;
use symbi_store::memory::{Disk, Memory};
use tokio::sync::watch;
use tokio::time::Instant;

/// The cluster port of every host.
const PORT: u16 = 7400;
/// How long a join may take, as `--join-timeout`.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// What all hosts of a run share.
pub struct Shared {
    /// How many hosts there are.
    pub hosts: usize,
    /// The first host's name, whom the others ask to join.
    pub first: String,
    /// Join tokens, one for each host but the first.
    pub tokens: watch::Sender<Vec<String>>,
    /// Agents, with the programs that they run.
    pub agents: Vec<(String, &'static str)>,
    /// Entries between two snapshots. With few, a node that returns is sent one, and waits for its disk to install it.
    pub snapshot_every: u64,
    /// What an administrator wants done, once for each that is sent.
    pub errand: watch::Sender<Option<Errand>>,
    /// Set when clients are to come to their end.
    pub quiet: watch::Sender<bool>,
    /// Set when every replica is to be audited.
    pub audit: watch::Sender<bool>,
}

impl Shared {
    /// Whether clients are to come to their end.
    #[must_use]
    pub fn quiet(&self) -> bool {
        *self.quiet.borrow()
    }
}

/// What a host keeps outside of its lives.
pub struct Setup {
    /// Its name.
    pub name: String,
    /// Its number, from 0.
    pub number: usize,
    /// What all hosts share.
    pub shared: Arc<Shared>,
    /// Where everything is told.
    pub recorder: Recorder,
    /// Its lease clock.
    pub lease: Arc<Lease>,
    /// Its wall clock.
    pub wall: Arc<Wall>,
    /// Its disk.
    pub disk: Arc<Disk>,
    /// Its small files.
    pub files: Mutex<Files>,
    /// What its writer was promised.
    pub ledger: Mutex<Ledger>,
    /// Answers that its agents have had.
    pub answered: AtomicU64,
    /// What is seen of it from outside.
    pub seen: Mutex<View>,
}

/// The small files of a data directory.
#[derive(Clone)]
pub struct Files {
    /// `node.key`.
    pub seed: [u8; 32],
    /// `issuer.key`.
    pub issuer: [u8; 32],
    /// `boot`.
    pub boot: u64,
    /// `join.pending`.
    pub pending: bool,
    /// `cluster.json`.
    pub cluster: Option<Cluster>,
}

/// What `cluster.json` holds.
#[derive(Clone, Default)]
pub struct Cluster {
    /// The genesis entry, on the host that bootstrapped.
    pub genesis: Option<bytes::Bytes>,
    /// Who was a member when it joined.
    pub roster: BTreeMap<NodeId, Member>,
    /// The index of its enrolment.
    pub enrolled_at: u64,
}

/// What is seen of a host from outside.
#[derive(Default)]
pub struct View {
    /// Its replica's status.
    pub status: symbi_raft::Status,
    /// Its replica's state.
    pub state: State,
    /// The phase of its join that ended last.
    pub phase: u8,
    /// How its last start failed.
    pub failure: Option<Failure>,
    /// How the last errand ended that it was sent on.
    pub errand: Option<Result<Outcome, String>>,
    /// How its audit ended.
    pub audited: Option<Result<u64, String>>,
}

impl Files {
    /// Those of a fresh directory.
    #[must_use]
    pub fn fresh(random: &mut StdRng) -> Self {
        use rand::Rng;
        let issuer = IssuerKey::generate(random.random()).to_bytes();
        Self { seed: random.random(), issuer, boot: 0, pending: false, cluster: None }
    }

    /// The node's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(ed25519_dalek::SigningKey::from_bytes(&self.seed).verifying_key().to_bytes())
    }
}

/// One life: never ends by itself, so that a failure is seen and judged by the run.
///
/// # Errors
/// Never: an error here would end the simulation.
pub async fn live(setup: Arc<Setup>) -> turmoil::Result {
    let started = start(&setup).await;
    match started {
        Ok(node) => serve(Arc::new(node), &setup).await,
        Err(failure) => setup.failed(failure),
    }
    std::future::pending().await
}

async fn serve(node: Arc<Node>, setup: &Arc<Setup>) {
    let boot = setup.files().boot;
    let mut random = setup.random(boot);
    tokio::spawn(watcher::run(Arc::clone(&node), Arc::clone(setup)));
    if setup.name == setup.shared.first && boot == 1 {
        tokio::spawn(admin::run(Arc::clone(&node), Arc::clone(setup)));
    }
    let (writers, talkers) = (StdRng::from_rng(&mut random), StdRng::from_rng(&mut random));
    tokio::spawn(writer::run(Arc::clone(&node), Arc::clone(setup), writers));
    tokio::spawn(talker::run(Arc::clone(&node), Arc::clone(setup), talkers));
    tokio::spawn(errands::run(Arc::clone(&node), Arc::clone(setup)));
    let auditor = (Arc::clone(&node), Arc::clone(setup));
    tokio::spawn(async move {
        let (node, setup) = auditor;
        if setup.shared.audit.subscribe().wait_for(|wanted| *wanted).await.is_ok() {
            let audited = audit::verify(&node.raft);
            setup.view(|view| view.audited = Some(audited));
        }
    });
    tokio::select! {
        biased;
        why = node.stopped() => setup.recorder.tell(&setup.name, Event::Wrong(format!("the node stopped: {why}"))),
        failure = join::removed(&node) => setup.failed(failure),
    }
}

/// Becomes what the files say: a cluster's first node, one that joins, or a member.
async fn start(setup: &Arc<Setup>) -> Result<Node, Failure> {
    let files = {
        let mut files = setup.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.boot += 1;
        files.clone()
    };
    setup.recorder.name(&files.node(), &setup.name);
    match &files.cluster {
        Some(cluster) => restart(setup, &files, cluster).await,
        None if setup.name == setup.shared.first => bootstrap(setup, &files).await,
        None => join(setup, &files).await,
    }
}

async fn restart(setup: &Arc<Setup>, files: &Files, cluster: &Cluster) -> Result<Node, Failure> {
    let network = network(setup, files, cluster.roster.clone()).await?;
    let profile = profile(&network, files);
    Node::start(setup.config(files, profile, cluster), setup.parts()?, network).await
}

async fn bootstrap(setup: &Arc<Setup>, files: &Files) -> Result<Node, Failure> {
    let network = network(setup, files, BTreeMap::new()).await?;
    let profile = profile(&network, files);
    let (genesis, _) = symbi_node::bootstrap::genesis(&options(&setup.name), files.node(), profile.clone());
    let key = ed25519_dalek::SigningKey::from_bytes(&files.seed);
    let (bytes, _) = node::genesis(genesis, &key, (clocks(&setup.lease, &setup.wall).wall_ms)());
    let cluster = Cluster { genesis: Some(bytes), ..Cluster::default() };
    let parts = setup.parts()?;
    setup.files.lock().unwrap_or_else(PoisonError::into_inner).cluster = Some(cluster.clone());
    Node::start(setup.config(files, profile, &cluster), parts, network).await
}

async fn join(setup: &Arc<Setup>, files: &Files) -> Result<Node, Failure> {
    let mut tokens = setup.shared.tokens.subscribe();
    let mine = setup.number - 1;
    let known = tokens.wait_for(|tokens| tokens.len() > mine).await.map(|tokens| tokens[mine].clone());
    let token = known.expect("the run outlives its hosts");
    let until = Instant::now() + JOIN_TIMEOUT;
    let network = network(setup, files, BTreeMap::new()).await?;
    let profile = profile(&network, files);
    let wall_ms = clocks(&setup.lease, &setup.wall).wall_ms;
    let asked = join::Request {
        node: files.node(),
        name: setup.name.clone(),
        profile: profile.clone(),
        token: token.parse().expect("a token that was just made"),
        addresses: vec![SocketAddr::new(turmoil::lookup(setup.shared.first.as_str()), PORT).to_string()],
        until,
        wall_ms,
    };
    let progress = progress(setup);
    let before = || {
        setup.files.lock().unwrap_or_else(PoisonError::into_inner).pending = true;
        Ok(())
    };
    let (enrolled, _) = join::enrol(&network.handle, asked, &progress, before).await.map_err(|ended| match ended {
        Ended::Failed(failure) | Ended::Refused(failure) | Ended::Expired(failure) => failure,
    })?;
    let others = enrolled.roster.iter().filter(|peer| peer.node != files.node());
    let roster = others.map(|peer| (peer.node, Member { addr: peer.addr })).collect();
    let cluster = Cluster { genesis: None, roster, enrolled_at: enrolled.index };
    let parts = setup.parts()?;
    {
        let mut files = setup.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.cluster = Some(cluster.clone());
        files.pending = false;
    }
    let node = Node::start(setup.config(files, profile, &cluster), parts, network).await?;
    join::catch_up(&node, until, &progress).await?;
    Ok(node)
}

fn progress(setup: &Arc<Setup>) -> Progress {
    let setup = Arc::clone(setup);
    Progress::new(move |line| {
        let phase = line.trim_start_matches("join ").chars().next().and_then(|digit| digit.to_digit(10));
        setup.view(|view| view.phase = phase.and_then(|phase| u8::try_from(phase).ok()).unwrap_or(view.phase));
        setup.recorder.tell(&setup.name, Event::Join(line.to_owned()));
    })
}

async fn network(setup: &Setup, files: &Files, members: BTreeMap<NodeId, Member>) -> Result<Network, Failure> {
    let transport = symbi_net::secure(
        Tcp::of_host(turmoil::lookup(setup.name.as_str())),
        &symbi_net::Identity::from_seed(files.seed),
    );
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    node::network(files.seed, any, Some(transport), members).await
}

fn profile(network: &Network, files: &Files) -> Profile {
    let issuer = IssuerKey::from_bytes(&files.issuer).expect("generated");
    let allocatable = Resources { memory_mb: 4_096, cpu_millis: 4_000 };
    Profile::plain(network.handle.listen_addr(), issuer.public(), allocatable)
}

/// What every simulated machine says of itself: of its size, and idle.
fn meter() -> Usage {
    Usage { memory_total_mb: 4_096, cpu_total_millis: 4_000, disk_total_mb: 65_536, ..Usage::default() }
}

fn options(name: &str) -> Options {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Options {
        data_dir: PathBuf::new(),
        name: name.to_owned(),
        cluster_name: "sim".to_owned(),
        domain: None,
        listen: Some(nowhere),
        advertise: None,
        http: Some(nowhere),
        ready_file: None,
        labels: None,
        max_agents: None,
        join: None,
    }
}

impl Setup {
    /// Changes what is seen from outside.
    pub fn view<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its small files.
    #[must_use]
    pub fn files(&self) -> Files {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where a production node's process would end. Here its parts go on, as if it took its time to end.
    fn failed(&self, failure: Failure) {
        let line = format!("failed with exit code {}: {}", failure.exit, failure.what);
        self.recorder.tell(&self.name, Event::Join(line));
        self.view(|view| view.failure = Some(failure));
    }

    fn random(&self, boot: u64) -> StdRng {
        let mut seed = self.files().seed;
        seed[..8].copy_from_slice(&boot.to_be_bytes());
        StdRng::from_seed(seed)
    }

    fn parts(self: &Arc<Self>) -> Result<Parts, Failure> {
        let engine = Memory::open(Arc::clone(&self.disk))
            .map_err(|error| Failure::new(1, "DATABASE", "cannot open the disk").why(error.to_string()))?;
        let (recorder, name) = (self.recorder.clone(), self.name.clone());
        Ok(Parts {
            engine: Arc::new(engine),
            driver: Arc::new(crate::programs::driver(self)),
            clocks: clocks(&self.lease, &self.wall),
            meter: Arc::new(meter),
            observer: Arc::new(move |event| recorder.tell(&name, Event::Effect(event))),
        })
    }

    fn config(&self, files: &Files, profile: Profile, cluster: &Cluster) -> Config {
        Config {
            seed: files.seed,
            issuer: files.issuer,
            boot: files.boot,
            profile,
            roster: cluster.roster.clone(),
            known_at: cluster.enrolled_at,
            genesis: cluster.genesis.clone(),
            raft: symbi_raft::Options {
                snapshot_every: self.shared.snapshot_every,
                keep_entries: self.shared.snapshot_every / 4,
                work: symbi_raft::Work::Inline,
                ..symbi_raft::Options::new(files.node())
            },
            host_seed: rand::random(),
        }
    }
}
