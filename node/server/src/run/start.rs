//! The start of a node: what its directory and its flags say that it is to become, and how it becomes that.

use super::serve::{Joining, Running};
use crate::bootstrap;
use crate::clock::{self, Clocks};
use crate::datadir::{Cluster, DataDir, Found, Peer, Pending};
use crate::failure::{self, Failure};
use crate::join::{self, Ended, Progress};
use crate::measure;
use crate::node::{self, Config, Endpoint, Node, Parts};
use crate::options::{Join, NODE_LABEL, Options};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_model::entry::CONTROL;
use symbi_model::node::Profile;
use symbi_policy::credential::IssuerKey;
use symbi_proto::token::JoinToken;
use symbi_proto::wire::join::Enrolled;
use tokio::time::Instant;

/// How long a join may take to catch up when it goes on without `--join`, and so without `--join-timeout`.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(60);

/// What a node is to become.
enum Plan {
    /// The first of a new cluster.
    Bootstrap,
    /// A new one of a cluster.
    Join(Join, Box<JoinToken>),
    /// What it was, once it has caught up with the cluster that has enrolled it.
    Finish(Box<Cluster>),
    /// What it was.
    Restart(Box<Cluster>),
}

/// What a start has found out about itself before anything runs.
struct Start {
    /// What was asked for, and for the addresses what was asked for last.
    options: Options,
    /// The data directory, locked.
    data: DataDir,
    /// The node's seed.
    seed: [u8; 32],
    /// The credential key.
    issuer: [u8; 32],
    /// The count of starts.
    boot: u64,
}

/// Starts a node.
pub(super) async fn start(mut options: Options) -> Result<Running, Failure> {
    loopback(options.http())?;
    let data = DataDir::open(&options.data_dir)?;
    if let Some(file) = &options.ready_file {
        // That of a life that was killed; this one is not ready yet.
        forget_readiness(file)?;
    }
    let plan = plan(&options, data.found()?)?;
    if let Plan::Finish(cluster) | Plan::Restart(cluster) = &plan {
        options.listen = options.listen.or(cluster.listen);
        options.advertise = options.advertise.or(cluster.advertise);
        options.http = options.http.or(cluster.http);
        options.labels = options.labels.or_else(|| cluster.labels.clone());
        options.max_agents = options.max_agents.or(cluster.max_agents);
        loopback(options.http())?;
    }
    let http = bind_socket(options.http(), &data).await?;
    let seed = data.secret("node.key", rand::random)?;
    let issuer = data.secret("issuer.key", rand::random)?;
    let boot = data.count_boot()?;
    let start = Start { options, data, seed, issuer, boot };
    let (node, cluster, joining) = match plan {
        Plan::Bootstrap => start.bootstrap().await?,
        Plan::Join(join, token) => start.join(&join, *token).await?,
        Plan::Finish(cluster) => start.finish(&cluster).await?,
        Plan::Restart(cluster) => start.restart(&cluster).await?,
    };
    let Start { options, data, boot, .. } = start;
    Ok(Running { options, data, boot, node, http, cluster, joining })
}

/// The HTTP address is checked first: it needs nothing, and a wrong one must not cost a join.
fn loopback(http: SocketAddr) -> Result<(), Failure> {
    if http.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::new(2, "HTTP_LISTEN", format!("{http} is not a loopback address"))
        .why("there is no TLS on the HTTP interface, so its tokens would cross the network in the clear")
        .fix("use --http 127.0.0.1:8080, and a tunnel from elsewhere"))
}

fn forget_readiness(file: &std::path::Path) -> Result<(), Failure> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(1, "READY_FILE", format!("cannot remove {}", file.display()))
                .why(error.to_string())
                .fix("name a file that this user can write with --ready-file"))
        }
        _ => Ok(()),
    }
}

async fn bind_socket(listen: SocketAddr, data: &DataDir) -> Result<symbi_api::Bound, Failure> {
    let bound = symbi_api::bind(symbi_api::Options::new(listen, data.file("api.sock"))).await;
    bound.map_err(|error| {
        Failure::new(1, "HTTP_LISTEN", format!("cannot serve HTTP on {listen}"))
            .why(error.to_string())
            .fix("name a free port with --http, and a data directory with a short path")
    })
}

/// What a node is to become. A member restarts as what it was, whatever its unit file still says of a join, and whether or
/// not the token can still be read: it is looked at only so that a directory is never used for another cluster.
fn plan(options: &Options, found: Found) -> Result<Plan, Failure> {
    let token = options.join.as_ref().map(|join| join.token.read());
    let cluster = match &found {
        Found::Empty => None,
        Found::Joining(pending) => Some(&pending.cluster),
        Found::Enrolled(cluster) | Found::Member(cluster) => Some(&cluster.id),
    };
    if let (Some(Ok(token)), Some(cluster)) = (&token, cluster) {
        same_cluster(options, cluster, token)?;
    }
    match (found, options.join.clone().zip(token)) {
        (Found::Member(cluster), _) => Ok(Plan::Restart(cluster)),
        (Found::Enrolled(cluster), _) => Ok(Plan::Finish(cluster)),
        (Found::Empty | Found::Joining(_), Some((join, token))) => Ok(Plan::Join(join, Box::new(token?))),
        (Found::Empty, None) => Ok(Plan::Bootstrap),
        (Found::Joining(_), None) => Err(Failure::new(28, "JOIN_CATCH_UP", "this directory holds an unfinished join")
            .fix("run the same command again, with --join and --token")),
    }
}

fn same_cluster(options: &Options, cluster: &str, token: &JoinToken) -> Result<(), Failure> {
    if cluster.starts_with(&hex::encode(token.cluster_prefix)) {
        return Ok(());
    }
    let dir = options.data_dir.display();
    Err(Failure::new(29, "JOIN_DATA_DIR", format!("{dir} belongs to another cluster than the token"))
        .why(format!("the directory belongs to cluster {cluster}, the token to {}", token.cluster_name))
        .fix("name an empty directory with --data-dir, or leave out --join to restart this node")
        .undo("nothing was changed"))
}

/// A running node, which cluster it is of, and its join if that has not come to its end.
type Started = (Node, Cluster, Option<Joining>);

impl Start {
    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    fn id(&self) -> NodeId {
        NodeId(self.key().verifying_key().to_bytes())
    }

    /// What the node says of itself under `name`, which is a label of it too: so an agent can require just this node.
    fn profile(&self, network: &Endpoint, name: &str) -> Result<Profile, Failure> {
        let issuer = IssuerKey::from_bytes(&self.issuer).map_err(|error| {
            Failure::new(10, "DATA_DIR_DAMAGED", "issuer.key holds no P-256 key")
                .because(&error)
                .fix("restore the file, or start a new node in another --data-dir")
        })?;
        let addr = self.options.advertise.unwrap_or_else(|| network.handle.listen_addr());
        let mut profile = Profile::plain(addr, issuer.public(), measure::allocatable()?);
        profile.labels = self.options.labels.clone().unwrap_or_default();
        profile.labels.insert(format!("{NODE_LABEL}{name}"));
        profile.max_agents = self.options.max_agents.unwrap_or(profile.max_agents);
        Ok(profile)
    }

    async fn network(&self, members: BTreeMap<NodeId, symbi_net::Member>) -> Result<Endpoint, Failure> {
        node::bind(self.seed, self.options.listen(), None, members).await
    }

    fn config(&self, profile: Profile, cluster: &Cluster) -> Config {
        Config {
            seed: self.seed,
            issuer: self.issuer,
            boot: self.boot,
            profile,
            roster: cluster.members(),
            known_at: cluster.enrolled_at,
            genesis: cluster.genesis.clone().map(Into::into),
            raft: symbi_raft::Options::new(self.id()),
            host_seed: rand::random(),
        }
    }

    fn parts(&self) -> Result<Parts, Failure> {
        let path = self.data.dir("db")?;
        let runs = symbi_raft::runs(CONTROL).into_iter().chain(symbi_host::ledger::runs()).collect();
        let options = symbi_rocks::Options { runs, ..symbi_rocks::Options::default() };
        let engine = symbi_rocks::Rocks::open(&path, options).map_err(|error| database(&error))?;
        let driver = symbi_sandbox::Process::new(symbi_sandbox::process::Options::new(self.data.dir("run")?)).map_err(
            |error| {
                Failure::new(1, "SANDBOX", "cannot start processes for agents")
                    .because(&error)
                    .fix("check that this user can write to run/ in the data directory and that /proc is mounted")
            },
        )?;
        let files = symbi_store::files::Folder::open(&self.data.dir("witness")?).map_err(|error| database(&error))?;
        Ok(Parts {
            engine: Arc::new(engine),
            files: Arc::new(files),
            signs: Arc::new(|_, _| {}),
            driver: Arc::new(symbi_sandbox::Builtin::over(driver)),
            clocks: Clocks::system(),
            meter: measure::meter(&self.data.file("")),
            observer: Arc::new(|_| {}),
        })
    }

    async fn bootstrap(&self) -> Result<Started, Failure> {
        let network = self.network(BTreeMap::new()).await?;
        let profile = self.profile(&network, &self.options.name)?;
        let (genesis, admin) = bootstrap::genesis(&self.options, self.id(), profile.clone());
        let (id, name) = (genesis.cluster.to_string(), genesis.name.clone());
        let (entry, _) = node::genesis(genesis, &self.key(), clock::wall_ms());
        let cluster = Cluster { genesis: Some(entry.to_vec()), ..self.cluster(id, name, self.options.name.clone()) };
        // In this order: the token before the cluster that knows its hash, the database before the file that says there is one.
        self.data.write("admin.token", format!("{admin}\n").as_bytes())?;
        let parts = self.parts()?;
        self.data.write("cluster.json", &to_json(&cluster))?;
        let node = Node::start(self.config(profile, &cluster), parts, network).await?;
        Ok((node, cluster, None))
    }

    async fn restart(&self, was: &Cluster) -> Result<Started, Failure> {
        let cluster = was.with(&self.options);
        let parts = self.parts()?;
        let network = self.network(cluster.members()).await?;
        if cluster != *was {
            self.data.write("cluster.json", &to_json(&cluster))?;
        }
        let config = self.config(self.profile(&network, &cluster.node_name)?, &cluster);
        let node = Node::start(config, parts, network).await?;
        Ok((node, cluster, None))
    }

    /// Phase 8 of a join whose process was ended before it was over.
    async fn finish(&self, cluster: &Cluster) -> Result<Started, Failure> {
        let within = self.options.join.as_ref().map_or(CATCH_UP_WITHIN, |join| join.timeout);
        let joining = Joining { until: Instant::now() + within, progress: progress() };
        let (node, cluster, _) = self.restart(cluster).await?;
        Ok((node, cluster, Some(joining)))
    }

    async fn join(&self, join: &Join, token: JoinToken) -> Result<Started, Failure> {
        let joining = Joining { until: Instant::now() + join.timeout, progress: progress() };
        let network = self.network(BTreeMap::new()).await?;
        let profile = self.profile(&network, &self.options.name)?;
        let note = to_json(&Pending::new(&token));
        let request = join::Request {
            node: self.id(),
            name: self.options.name.clone(),
            profile,
            token,
            addresses: join.addresses.clone(),
            until: joining.until,
            wall_ms: Arc::new(clock::wall_ms),
        };
        let before = || self.data.write("join.pending", &note);
        let enrolled = match join::enrol(&network.handle, request, &joining.progress, before).await {
            Ok((enrolled, _)) => enrolled,
            Err(ended) => return Err(self.tidied(ended)?),
        };
        let cluster = self.joined(&enrolled);
        let parts = self.parts()?;
        self.data.write("cluster.json", &to_json(&cluster))?;
        let profile = self.profile(&network, &cluster.node_name)?;
        let node = Node::start(self.config(profile, &cluster), parts, network).await?;
        Ok((node, cluster, Some(joining)))
    }

    /// Leaves nothing in the directory that would lead the next join astray.
    fn tidied(&self, ended: Ended) -> Result<Failure, Failure> {
        match ended {
            Ended::Failed(failure) => Ok(failure),
            Ended::Refused(failure) => self.data.remove("join.pending").map(|()| failure),
            Ended::Expired(failure) => self.data.forget().map(|()| failure),
        }
    }

    fn joined(&self, enrolled: &Enrolled) -> Cluster {
        // An earlier run may have asked for another name than this one: the cluster's word counts.
        let name = join::name_of(enrolled, &self.id()).unwrap_or(&self.options.name);
        let others = enrolled.roster.iter().filter(|peer| peer.node != self.id());
        Cluster {
            roster: others.map(|peer| Peer { id: peer.node, addr: peer.addr }).collect(),
            enrolled_at: enrolled.index,
            ..self.cluster(enrolled.cluster.to_string(), enrolled.cluster_name.clone(), name.to_owned())
        }
    }

    /// A cluster of which no member is known yet.
    fn cluster(&self, id: String, name: String, node_name: String) -> Cluster {
        let Options { listen, advertise, http, max_agents, .. } = self.options;
        let labels = self.options.labels.clone();
        let (genesis, roster, enrolled_at) = (None, Vec::new(), 0);
        Cluster { id, name, node_name, listen, advertise, http, labels, max_agents, genesis, roster, enrolled_at }
    }
}

fn progress() -> Progress {
    Progress::new(|line| eprintln!("{line}"))
}

fn database(error: &symbi_store::Error) -> Failure {
    let failure = Failure::new(1, "DATABASE", "cannot open the database").because(error);
    match error {
        symbi_store::Error::Corrupt(_) => Failure { exit: 10, ..failure }
            .fix("keep the directory as evidence; start a new node: another --data-dir, another --name, and --join with a token"),
        symbi_store::Error::Full => failure::disk_full("the disk is full: cannot open the database"),
        symbi_store::Error::Version(_) => failure
            .fix("start it with the symbi-node that wrote it; or a new node: another --data-dir, another --name, and --join with a token"),
        symbi_store::Error::InUse { .. } => failure.fix("stop that process, or name another directory with --data-dir"),
        symbi_store::Error::Io(_)
        | symbi_store::Error::Closed
        | symbi_store::Error::Missing(_)
        | symbi_store::Error::Exists(_) => {
            failure.fix("check the disk and who owns the directory, then start again")
        }
    }
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain structs of texts and numbers")
}
