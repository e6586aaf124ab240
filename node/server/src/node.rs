//! A running node: every part started in order, and stopped in order.
//!
//! The same code runs in production and in simulations; what differs comes in as [`Parts`].

mod endings;
mod introduce;
mod next_gate;
mod open_gate;
mod stop;

use crate::bench::{self, Bench};
use crate::clock::Clocks;
use crate::enrolment;
use crate::failure::Failure;
use crate::proposer::{self, LeaderClocks};
use crate::wiring::{calls, inbound, leading, ledgers, link, peers, remote, roster, shares, view};
use crate::witness;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use endings::{stopped_for_good, storage};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use symbi_model::node::Profile;
use symbi_model::{GroupId, NodeId, codec};
use symbi_policy::credential::IssuerKey;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls of the HTTP interface that wait.
const CALLS: usize = 256;

/// What a node is, whatever it runs on.
#[derive(Clone)]
pub struct Config {
    /// Its Ed25519 seed.
    pub seed: [u8; 32],
    /// The P-256 scalar with which it issues credentials.
    pub issuer: [u8; 32],
    /// How often it was started, this time included.
    pub boot: u64,
    /// What it says of itself.
    pub profile: Profile,
    /// Who was a member when it joined.
    pub roster: BTreeMap<NodeId, symbi_net::Member>,
    /// The log index at which it is a member for sure.
    pub known_at: u64,
    /// The genesis entry, if it bootstraps.
    pub genesis: Option<Bytes>,
    /// Raft's times.
    pub raft: symbi_raft::Options,
    /// Randomness for the host.
    pub host_seed: [u8; 32],
}

impl Config {
    /// The node's key.
    #[must_use]
    pub fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// The node's id.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(self.key().verifying_key().to_bytes())
    }
}

/// What a node runs on: the seams.
pub struct Parts {
    /// The storage.
    pub engine: Arc<dyn symbi_store::Engine>,
    /// The folder of what must not be lost with the storage.
    pub files: Arc<dyn symbi_store::Files>,
    /// Told of each checkpoint that this node signs.
    pub signs: witness::Signs,
    /// The sandboxes.
    pub driver: Arc<dyn symbi_sandbox::Driver>,
    /// The clocks.
    pub clocks: Clocks,
    /// What measures the machine.
    pub meter: crate::measure::Meter,
    /// Told of every effect that passes or is refused.
    pub observer: Arc<dyn Fn(symbi_host::Event) + Send + Sync>,
}

/// This node on the network, started before anything else because a join needs it.
pub struct Endpoint {
    /// Its handle.
    pub handle: symbi_net::Handle,
    /// What comes in.
    pub inbox: symbi_net::Inbox,
}

/// A running node.
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// The group.
    pub raft: symbi_raft::Handle,
    /// The network.
    pub net: symbi_net::Handle,
    /// Agents and messages.
    pub host: symbi_host::Handle,
    /// Where writes go.
    pub proposals: symbi_control::Proposals,
    /// What the HTTP interface needs.
    pub api: symbi_api::Ports,
    /// Who judges.
    pub gate: symbi_policy::Gate,
    /// The storage, which knows why the replica stopped if that was the disk's fault. Let go of before the replica is.
    engine: Arc<dyn symbi_store::Engine>,
    /// Why a part of it has ended that must not.
    fatal: watch::Receiver<Option<Failure>>,
    /// Every task.
    tracker: TaskTracker,
    /// Ends every task.
    cancel: CancellationToken,
    /// Says that parts may end now.
    stopping: CancellationToken,
    /// Ends its introductions.
    introduced: CancellationToken,
}

/// What most parts are started with.
struct Core {
    /// The node.
    id: NodeId,
    /// Its key.
    key: Arc<SigningKey>,
    /// The group.
    raft: symbi_raft::Handle,
    /// The network.
    net: symbi_net::Handle,
    /// The clocks.
    clocks: Clocks,
    /// Who judges.
    gate: symbi_policy::Gate,
    /// Every task.
    tracker: TaskTracker,
    /// Ends every task.
    cancel: CancellationToken,
    /// Says that parts may end now.
    stopping: CancellationToken,
    /// Told when a part has ended that must not.
    fatal: watch::Sender<Option<Failure>>,
}

impl Node {
    /// Starts every part over a running network.
    ///
    /// # Errors
    /// When the storage cannot be opened or does not hold what it should.
    pub async fn start(config: Config, parts: Parts, network: Endpoint) -> Result<Self, Failure> {
        let Endpoint { handle: net, inbox } = network;
        let engine = parts.engine.clone();
        let folder = witness::Folder::open(parts.files, &*engine)?;
        let core = Core::start(&config, parts.engine, parts.clocks, net).await?;
        let witness = core.witness(folder, parts.signs, config.raft.work)?;
        let (admission, proposals) = core.proposer();
        let (granted_tell, granted) = watch::channel(None);
        let (view, hints) = core.view(config.boot, parts.meter, inbox.gossip, granted);
        let control = core.control(hints, &witness, &proposals);
        let remote = remote::Remote { node: core.id, raft: core.raft.clone(), net: core.net.clone(), control };
        let host =
            core.host(&config, (parts.driver, engine.clone()), parts.observer, &proposals, &remote, granted_tell);

        ledgers::keep_denials(&core.gate, host.ledger());

        let received = host.clone();
        let server = inbound::Server {
            remote: remote.clone(),
            admission,
            host: host.clone(),
            gate: core.gate.clone(),
            wall_ms: core.clocks.wall_ms.clone(),
            witness: witness.clone(),
            sink: bench::Sink::new(core.sink(&engine), move || received.counts().messages_attested),
        };
        let (tasks, cancel) = (&core.tracker, &core.cancel);
        let groups = symbi_raft::Groups::default();
        groups.insert(&core.raft);
        let raft = [inbox.append, inbox.heartbeat, inbox.snapshot, inbox.vote, inbox.lines];
        for ((name, kind), requests) in link::KINDS.into_iter().zip(raft) {
            core.part(name, inbound::raft(kind, requests, groups.clone(), tasks.clone(), cancel.clone()));
        }
        for (name, requests) in [("the control inbox", inbox.control), ("the inbox of asks", inbox.ask)] {
            core.part(name, inbound::control(requests, server.clone(), tasks.clone(), cancel.clone()));
        }
        for (name, requests) in [("the message inbox", inbox.message), ("the session inbox", inbox.session)] {
            core.part(name, inbound::messages(requests, host.clone(), tasks.clone(), cancel.clone()));
        }
        core.part("vouching", inbound::vouch(inbox.vouch, remote.clone(), tasks.clone(), cancel.clone()));
        let joins = core.joins(&proposals, &remote);
        core.part("the join handler", joins.run(inbox.joins, tasks.clone(), cancel.clone()));
        let followed =
            roster::follow(core.raft.state(), core.net.clone(), config.roster, config.known_at, cancel.clone());
        core.part("the roster", followed);
        let profile = config.profile;
        let advertise = profile.addr;
        let introduced = cancel.child_token();
        tasks.spawn(introduce::introduce(core.id, profile, core.raft.state(), proposals.clone(), introduced.clone()));
        tasks.spawn(next_gate::run(core.id, core.raft.state(), core.net.clone(), proposals.clone(), cancel.clone()));
        let calls = core.calls(remote, host.clone(), &proposals, &engine);
        let api = symbi_api::Ports {
            node: core.id,
            state: core.raft.state(),
            view,
            witness: witness.known(),
            proposals: proposals.clone(),
            gate: core.gate.clone(),
            calls,
            wall_ms: core.clocks.wall_ms.clone(),
            advertise,
        };
        let fatal = core.fatal.subscribe();
        let Core { id, raft, net, gate, tracker, cancel, stopping, .. } = core;
        Ok(Self { id, raft, net, host, proposals, api, gate, engine, fatal, tracker, cancel, stopping, introduced })
    }
}

impl Core {
    /// Starts the group's replica, and bootstraps it if the node does.
    async fn start(
        config: &Config,
        engine: Arc<dyn symbi_store::Engine>,
        clocks: Clocks,
        net: symbi_net::Handle,
    ) -> Result<Self, Failure> {
        // Before it takes part in anything: a program that is too old could be elected, and could not read what it has.
        let saved = symbi_raft::saved_gate(&*engine);
        open_gate::check(
            saved.map_err(|error| storage(&*engine, &symbi_raft::Error::from(error)))?.unwrap_or_default(),
        )?;
        let link = Arc::new(link::RaftLink { net: net.clone() });
        let started = symbi_raft::start(config.raft.clone(), engine.clone(), link).await;
        let raft = started.map_err(|error| storage(&*engine, &error))?;
        open_gate::check(raft.state().borrow().counters.gate)?;
        if let Some(genesis) = &config.genesis {
            raft.bootstrap(genesis.clone()).await.map_err(|error| storage(&*engine, &error))?;
        }
        let id = config.node();
        let times = symbi_policy::Clocks { wall_ms: clocks.wall_ms.clone(), boottime: clocks.boottime.clone() };
        let gate = symbi_policy::Gate::new(symbi_policy::Options::new(id), times);
        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let (stopping, fatal) = (CancellationToken::new(), watch::Sender::new(None));
        Ok(Self { id, key: Arc::new(config.key()), raft, net, clocks, gate, tracker, cancel, stopping, fatal })
    }

    /// Starts a part that must not end before the node does: should it, by a panic too, the process must not go on as if it
    /// were there. A leader without its proposer or its grants would keep every other node from leading.
    fn part(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let (stopping, fatal) = (self.stopping.clone(), self.fatal.clone());
        self.tracker.spawn(async move {
            let ended = tokio::spawn(part).await;
            if !stopping.is_cancelled() {
                let why = ended.map_or_else(|error| error.to_string(), |()| "it ended unexpectedly".to_owned());
                let failure = stopped_for_good(format!("{name} has ended: {why}"));
                // What it has said itself says more.
                fatal.send_if_modified(|told| {
                    let is_first = told.is_none();
                    told.get_or_insert(failure);
                    is_first
                });
            }
        });
    }

    /// What signs this node's checkpoints, and collects the signatures of others.
    fn witness(
        &self,
        folder: witness::Folder,
        signs: witness::Signs,
        work: symbi_raft::Work,
    ) -> Result<witness::Handle, Failure> {
        let (key, raft, net) = (self.key.clone(), self.raft.clone(), self.net.clone());
        let sources = witness::Sources { node: self.id, key, raft, net, folder, signs, work };
        let (handle, actor) = witness::new(sources)?;
        let (cancel, fatal) = (self.cancel.clone(), self.fatal.clone());
        self.part("the witness", async move {
            if let Err(failure) = actor.run(cancel).await {
                fatal.send_replace(Some(failure));
            }
        });
        Ok(handle)
    }

    /// Who lets new members in.
    fn joins(&self, proposals: &symbi_control::Proposals, remote: &remote::Remote) -> enrolment::Handler {
        let (raft, gate, wall_ms) = (self.raft.clone(), self.gate.clone(), self.clocks.wall_ms.clone());
        enrolment::Handler::new(raft, gate, proposals.clone(), wall_ms, remote.clone())
    }

    /// The way of commands to the log, and what the leader admits to it.
    fn proposer(&self) -> (proposer::Admission, symbi_control::Proposals) {
        let (compare, admission) =
            LeaderClocks::new(self.key.clone(), self.clocks.wall_ms.clone(), self.raft.clone(), self.net.clone());
        self.part("the comparison of clocks", compare.run(self.cancel.clone()));
        let (cluster, keep_cluster) = proposer::cluster_id(&self.raft, self.cancel.clone());
        self.tracker.spawn(keep_cluster);
        let ports = proposer::Ports {
            node: self.id,
            key: self.key.clone(),
            wall_ms: self.clocks.wall_ms.clone(),
            raft: self.raft.clone(),
            net: self.net.clone(),
            admission: admission.clone(),
            cluster,
        };
        (admission, proposer::spawn(ports, &self.tracker, self.cancel.clone()))
    }

    /// What this node knows of the others, and what they say of their resources.
    fn view(
        &self,
        boot: u64,
        meter: crate::measure::Meter,
        gossip: mpsc::Receiver<symbi_net::Gossip>,
        granted: watch::Receiver<Option<Instant>>,
    ) -> (watch::Receiver<symbi_api::ports::View>, watch::Receiver<view::Hints>) {
        let raft = self.raft.clone();
        let sources = view::Sources {
            node: self.id,
            key: self.key.clone(),
            boot,
            clocks: self.clocks.clone(),
            meter,
            net: self.net.clone(),
            status: self.raft.status(),
            silence: Arc::new(move || raft.silence()),
            state: self.raft.state(),
            granted,
            gossip,
        };
        let (view, hints, keep) = view::new(sources);
        self.part("the view", keep.run(self.cancel.clone()));
        (view, hints)
    }

    /// The leader's reconciler.
    fn control(
        &self,
        views: watch::Receiver<view::Hints>,
        witness: &witness::Handle,
        proposals: &symbi_control::Proposals,
    ) -> symbi_control::Handle {
        let (leading, keep_leading) = leading::follow(&self.raft, self.cancel.clone());
        self.part("the watch of leadership", keep_leading);
        let (confirm, confirms) = mpsc::channel(CALLS);
        let (changes, asked) = mpsc::channel(CALLS);
        let confirm_rounds = remote::confirm(confirms, self.raft.clone(), self.tracker.clone(), self.cancel.clone());
        self.part("the confirmation of leadership", confirm_rounds);
        self.part("the change of members", remote::change(asked, self.raft.clone(), self.cancel.clone()));
        let ports = symbi_control::Ports {
            state: self.raft.state(),
            leadership: leading.leadership,
            proposals: proposals.clone(),
            confirm,
            replication: leading.replication,
            agreed: witness.agreed(),
            changes,
            views,
            boottime: self.clocks.boottime.clone(),
        };
        let (handle, running) = symbi_control::spawn(ports, symbi_control::Options::default(), self.cancel.clone());
        self.part("the control reconciler", async move {
            if let Err(error) = running.await {
                tracing::error!(%error, "the control reconciler has ended");
            }
        });
        handle
    }

    /// Agents and messages.
    fn host(
        &self,
        config: &Config,
        (driver, engine): (Arc<dyn symbi_sandbox::Driver>, Arc<dyn symbi_store::Engine>),
        observer: Arc<dyn Fn(symbi_host::Event) + Send + Sync>,
        proposals: &symbi_control::Proposals,
        remote: &remote::Remote,
        granted: watch::Sender<Option<Instant>>,
    ) -> symbi_host::Handle {
        let (grants, asked) = mpsc::channel(16);
        let asking = remote.clone().grants(asked, granted, self.tracker.clone(), self.cancel.clone());
        self.part("the request of grants", asking);
        let ports = symbi_host::Ports {
            state: self.raft.state(),
            proposals: proposals.clone(),
            driver,
            gate: self.gate.clone(),
            peers: peers::over(self.net.clone()),
            places: peers::places(self.net.clone()),
            grants,
            wall_ms: self.clocks.wall_ms.clone(),
            boottime: self.clocks.boottime.clone(),
            observer,
        };
        let issuer = Arc::new(IssuerKey::from_bytes(&config.issuer).expect("checked when the profile was made"));
        let options = symbi_host::Options::new(self.key.clone(), config.boot, issuer, config.host_seed);
        // A token of its own: the host ends it when a part of its own fails, and that must not look like a stop of the node.
        let own = self.cancel.child_token();
        let ended = own.clone();
        self.part("the host", async move { ended.cancelled().await });
        symbi_host::spawn(ports, options, engine, own)
    }

    /// What the bench needs of this node, on either side of a run.
    fn sink(&self, engine: &Arc<dyn symbi_store::Engine>) -> bench::SinkPorts {
        bench::SinkPorts {
            node: self.id,
            state: self.raft.state(),
            gate: self.gate.clone(),
            wall_ms: self.clocks.wall_ms.clone(),
            engine: engine.clone(),
        }
    }

    /// Where the HTTP interface's calls are answered.
    fn calls(
        &self,
        remote: remote::Remote,
        host: symbi_host::Handle,
        proposals: &symbi_control::Proposals,
        engine: &Arc<dyn symbi_store::Engine>,
    ) -> mpsc::Sender<symbi_api::ports::Call> {
        let (calls, asked) = mpsc::channel(CALLS);
        let bench = Bench::new(bench::Ports {
            here: self.sink(engine),
            net: self.net.clone(),
            proposals: proposals.clone(),
            host: host.clone(),
            pool: symbi_api::keys::Pool::default(),
        });
        let shares = shares::Shares::default();
        let answers = calls::Answers { remote, host, gate: self.gate.clone(), key: self.key.clone(), bench, shares };
        self.part("the answers to HTTP", answers.run(asked, self.tracker.clone(), self.cancel.clone()));
        calls
    }
}

/// The genesis entry of a new cluster, encoded.
#[must_use]
pub fn genesis(genesis: symbi_model::command::Genesis, key: &SigningKey, time_ms: u64) -> (Bytes, symbi_model::Hash) {
    let cluster = genesis.cluster;
    let batch = symbi_model::Batch::genesis(genesis, rand::random(), key, time_ms);
    let anchor = batch.anchor(cluster, GroupId(0));
    (Bytes::from(codec::encode_batch(&batch)), anchor)
}

/// Binds the cluster port.
///
/// # Errors
/// When the port is taken.
pub async fn bind(
    config_seed: [u8; 32],
    listen: SocketAddr,
    transport: Option<symbi_net::Transport>,
    members: BTreeMap<NodeId, symbi_net::Member>,
) -> Result<Endpoint, Failure> {
    let identity = symbi_net::Identity::from_seed(config_seed);
    let transport = transport.unwrap_or_else(|| symbi_net::tcp(&identity));
    let roster = symbi_net::Roster { members, ..symbi_net::Roster::default() };
    let started = symbi_net::start(symbi_net::Options::new(listen), identity, transport, roster).await;
    let (handle, inbox) = started.map_err(|error| {
        Failure::new(1, "LISTEN", format!("cannot listen on {listen} for other nodes"))
            .because(&error)
            .fix("name a free port with --listen")
    })?;
    Ok(Endpoint { handle, inbox })
}
