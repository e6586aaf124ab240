//! A host: one start of a production node inside turmoil, up to a crash or to the end of the run.
//!
//! What outlives it is its [`Setup`]. The order in which that is written is the production node's.

use crate::clients::{admin, audit, commands, register, talker, watcher, writer};
use crate::clock::clocks;
use crate::programs;
use crate::setup::{Cluster, Files, Setup};
use crate::trace::Event;
use crate::transport::Tcp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use symbi_model::agent::Resources;
use symbi_model::entry::CONTROL;
use symbi_model::node::{Membership, Profile};
use symbi_model::{Checkpoint, NodeId, State};
use symbi_net::Member;
use symbi_policy::credential::IssuerKey;
use symbi_proto::wire::Usage;
use symbi_server::failure::Failure;
use symbi_server::join::{self, Ended, Progress};
use symbi_server::membership;
use symbi_server::node::{self, Config, Endpoint, Node, Parts};
use symbi_server::options::Options;
use symbi_store::memory::Memory;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The cluster port of every host.
const PORT: u16 = 7400;
/// How many clients of a host read and write the shared keys.
const REGISTER_CLIENTS: usize = 2;
/// How long a join may take, as `--join-timeout`.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(20);
/// In calm the cluster agrees so soon on what a node's ledger has.
const ANCHORED: Duration = Duration::from_secs(3);
/// How long a sync may take, ms.
const SYNC_MS: u64 = 3;
/// How long one in [`SLOW_SYNC`] may take, ms.
const SLOW_SYNC_MS: u64 = 40;
/// One in so many syncs is slow.
const SLOW_SYNC: u32 = 40;

/// One start: never ends by itself, so that a failure is seen and judged by the run.
///
/// # Errors
/// Never: an error here would end the simulation.
pub async fn run(setup: Arc<Setup>) -> turmoil::Result {
    sync_with_delay(&setup);
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
    for which in 0..REGISTER_CLIENTS {
        let random = StdRng::from_rng(&mut random);
        tokio::spawn(register::run(Arc::clone(&node), Arc::clone(setup), which, random));
    }
    tokio::spawn(commands::run(Arc::clone(&node), Arc::clone(setup)));
    let auditor = (Arc::clone(&node), Arc::clone(setup));
    tokio::spawn(async move {
        let (node, setup) = auditor;
        if setup.shared.audit.subscribe().wait_for(|wanted| *wanted).await.is_ok() {
            // Lines in whose place it took a snapshot may still be on their way; one that never gets them is never audited.
            let mut status = node.raft.status();
            if status.wait_for(|status| status.missing.is_empty()).await.is_err() {
                return;
            }
            let unanchored = unanchored(&node).await;
            let audited = audit::verify(&node.raft, &node.id).map(|audited| {
                setup.recorder.tell(&setup.name, Event::Audited { anchors: audited.anchors, unanchored });
                audited.records
            });
            setup.view(|view| view.audited = Some(audited));
        }
    });
    tokio::select! {
        biased;
        failure = node.stopped() => stopped(setup, failure),
        failure = membership::removed(&node) => setup.failed(failure),
    }
}

/// How many lines of the node's ledger the cluster has not agreed on, although it has had the time.
async fn unanchored(node: &Node) -> Option<u64> {
    let mut states = node.raft.state();
    let lines = node.host.ledger().anchor(&states.borrow())?.entries;
    let is_agreed = |state: &State| {
        let is_member = state.nodes.get(&node.id).is_some_and(|record| record.membership == Membership::Member);
        !is_member || state.ledgers.get(&node.id).is_some_and(|agreed| agreed.anchor.entries >= lines)
    };
    let agreed = tokio::time::timeout(ANCHORED, states.wait_for(is_agreed)).await;
    agreed.is_err().then_some(lines)
}

/// A node that cannot go on says so. Without a failure of its disk there is nothing here that could have stopped it, unless that was put
/// back.
fn stopped(setup: &Setup, failure: Failure) {
    let is_found_out = setup.is_put_back.load(Ordering::Relaxed) && failure.code == "WITNESS_CONFLICT";
    if setup.disk.failure().is_none() && !is_found_out {
        setup.recorder.tell(&setup.name, Event::Wrong(format!("the node stopped: {failure}")));
    }
    setup.failed(failure);
}

/// Has the disk take some time for each sync: what is appended meanwhile is in flight, and a crash finds it there.
fn sync_with_delay(setup: &Arc<Setup>) {
    let (disk, appended) = (Arc::clone(&setup.disk), Arc::new(Notify::new()));
    let wake = Arc::clone(&appended);
    disk.delay(move || wake.notify_one());
    let mut random = setup.random(setup.files().boot);
    tokio::spawn(async move {
        loop {
            appended.notified().await;
            let longest = if random.random_ratio(1, SLOW_SYNC) { SLOW_SYNC_MS } else { SYNC_MS };
            tokio::time::sleep(Duration::from_millis(random.random_range(0..=longest))).await;
            disk.sync();
        }
    });
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
    let started = Node::start(config(setup, files, profile, cluster), parts(setup)?, network).await;
    started.inspect_err(|failure| {
        // Whatever a crash left of its disk, a member goes on from there.
        if setup.disk.failure().is_none() && !setup.is_put_back.load(Ordering::Relaxed) {
            setup.recorder.tell(&setup.name, Event::Wrong(format!("the node does not start again: {failure}")));
        }
    })
}

async fn bootstrap(setup: &Arc<Setup>, files: &Files) -> Result<Node, Failure> {
    let network = network(setup, files, BTreeMap::new()).await?;
    let profile = profile(&network, files);
    let (genesis, _) = symbi_server::bootstrap::genesis(&options(&setup.name), files.node(), profile.clone());
    let key = ed25519_dalek::SigningKey::from_bytes(&files.seed);
    let (bytes, _) = node::genesis(genesis, &key, (clocks(&setup.lease, &setup.wall).wall_ms)());
    let cluster = Cluster { genesis: Some(bytes), ..Cluster::default() };
    let parts = parts(setup)?;
    setup.files.lock().unwrap_or_else(PoisonError::into_inner).cluster = Some(cluster.clone());
    Node::start(config(setup, files, profile, &cluster), parts, network).await
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
    let parts = parts(setup)?;
    {
        let mut files = setup.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.cluster = Some(cluster.clone());
        files.pending = false;
    }
    let node = Node::start(config(setup, files, profile, &cluster), parts, network).await?;
    membership::catch_up(&node, until, &progress).await?;
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

async fn network(setup: &Setup, files: &Files, members: BTreeMap<NodeId, Member>) -> Result<Endpoint, Failure> {
    let transport = symbi_net::secure(
        Tcp::of_host(turmoil::lookup(setup.name.as_str())),
        &symbi_net::Identity::from_seed(files.seed),
    );
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    node::bind(files.seed, any, Some(transport), members).await
}

fn profile(network: &Endpoint, files: &Files) -> Profile {
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

fn parts(setup: &Arc<Setup>) -> Result<Parts, Failure> {
    let engine = Memory::open(Arc::clone(&setup.disk))
        .map_err(|error| Failure::new(1, "DATABASE", "cannot open the disk").why(error.to_string()))?;
    let saved = symbi_raft::saved_index(&engine, CONTROL)
        .map_err(|error| Failure::new(10, "DATABASE", "cannot read the disk").why(error.to_string()))?;
    setup.recorder.tell(&setup.name, Event::Opened { saved });
    let files = setup.witness.open();
    let files = files.map_err(|error| Failure::new(1, "DATABASE", "cannot open the disk").why(error.to_string()))?;
    let (recorder, name) = (setup.recorder.clone(), setup.name.clone());
    let (signed, signer) = (recorder.clone(), name.clone());
    let signs = move |checkpoint: &Checkpoint, lacks: Option<(u64, u64)>| {
        signed.tell(&signer, Event::Signed { size: checkpoint.size, digest: checkpoint.digest(), lacks });
    };
    Ok(Parts {
        engine: Arc::new(engine),
        files: Arc::new(files),
        signs: Arc::new(signs),
        driver: Arc::new(programs::driver(setup)),
        clocks: clocks(&setup.lease, &setup.wall),
        meter: Arc::new(meter),
        observer: Arc::new(move |event| recorder.tell(&name, Event::Effect(event))),
    })
}

/// Has each entry told that the replica applies.
fn observer(setup: &Setup) -> symbi_raft::Observer {
    let (recorder, name) = (setup.recorder.clone(), setup.name.clone());
    symbi_raft::Observer::new(move |index, state| recorder.tell(&name, Event::Applied { index, state }))
}

fn config(setup: &Setup, files: &Files, profile: Profile, cluster: &Cluster) -> Config {
    Config {
        seed: files.seed,
        issuer: files.issuer,
        boot: files.boot,
        profile,
        roster: cluster.roster.clone(),
        known_at: cluster.enrolled_at,
        genesis: cluster.genesis.clone(),
        raft: symbi_raft::Options {
            snapshot_every: setup.shared.snapshot_every,
            keep_entries: setup.shared.snapshot_every / 4,
            observer: observer(setup),
            work: symbi_raft::Work::Inline,
            ..symbi_raft::Options::new(files.node())
        },
        host_seed: rand::random(),
    }
}
