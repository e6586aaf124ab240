//! `start`: a node, until it is told to stop.

use crate::{context, style, value};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use symbi_model::node::{LABELS, MAX_AGENTS};
use symbi_server::failure::Failure;
use symbi_server::options::{DATA_DIR, HTTP, Join, LISTEN, Options, Token};
use symbi_server::run::Stopped;
use tracing_subscriber::EnvFilter;

/// What `start --help` ends with.
pub const HELP: &str = "Examples:
  symbi-node start --data-dir d1                               a new cluster of one
  symbi-node --join 127.0.0.1:7400 --token T --data-dir d2     one node more
  symbi-node start --data-dir d2                               restart it
  symbi-node start --data-dir d1 --label zone=a --label gpu    with labels that agents can require

A join prints eight phases. When one fails, the exit code says which:
  20 resolve, 21 dial, 22 verify, 23 dial-back, 24 token, 25 clock, 26 version, 27 name, 28 catch-up, 29 data directory of another cluster";

/// Set, it lets a build for tests speak the next gate, as the next version will; a release does not look further.
const NEXT_GATE: &str = "SYMBI_TEST_NEXT_GATE";

/// The flags of `start`.
#[derive(Args)]
pub struct Start {
    /// Where everything of this node is kept
    #[arg(long, env = "SYMBI_DATA_DIR", value_name = "DIR", value_parser = value::path, default_value = DATA_DIR)]
    data_dir: PathBuf,
    /// The node's name, unique in the cluster [default: the host's name]
    #[arg(long, value_name = "NAME", value_parser = value::label)]
    name: Option<String>,
    /// The name of a new cluster
    #[arg(long, value_name = "NAME", value_parser = value::label, default_value = "symbi")]
    cluster_name: String,
    /// The domain of a new cluster's agent identities [default: CLUSTER.symbi.internal]
    #[arg(long, value_name = "DOMAIN", value_parser = value::domain)]
    domain: Option<String>,
    /// Where other nodes reach this one.
    #[arg(long, value_name = "ADDR", help = format!("Where other nodes reach this one [default: as on the last start, or {LISTEN}]"))]
    listen: Option<SocketAddr>,
    /// The address that other nodes are told [default: as on the last start, or the one bound]
    #[arg(long, value_name = "ADDR")]
    advertise_addr: Option<SocketAddr>,
    /// Where the HTTP interface listens.
    #[arg(long, value_name = "ADDR", help = format!("Where the HTTP interface listens; loopback only [default: as on the last start, or {HTTP}]"))]
    http: Option<SocketAddr>,
    /// A word that agents may require of their node, such as gpu or zone=a; may be given several times, and then
    /// replaces all that were given before [default: as on the last start]
    #[arg(long = "label", value_name = "LABEL", value_parser = value::node_label)]
    labels: Vec<String>,
    /// Remove all labels that were given before
    #[arg(long, conflicts_with = "labels")]
    no_labels: bool,
    /// How many agents the node takes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000), help = format!("How many agents the node takes [default: as on the last start, or {MAX_AGENTS}]"))]
    max_agents: Option<u32>,
    /// A file to create once the node is ready
    #[arg(long, value_name = "FILE", value_parser = value::path)]
    ready_file: Option<PathBuf>,
    /// Join the cluster of these nodes, HOST:PORT[,HOST:PORT], tried in order
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = value::member)]
    join: Vec<String>,
    // The variable is not clap's: it would be in conflict with a file, and the file is to win.
    /// The join token [env: SYMBI_JOIN_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// A file with the join token
    #[arg(long, value_name = "FILE", conflicts_with = "token", value_parser = value::path)]
    token_file: Option<PathBuf>,
    /// How long the whole join may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = value::patience)]
    join_timeout: Duration,
}

/// Runs a node until it is told to stop.
pub fn run(start: Start) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_from_env("SYMBI_LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info,openraft=off,libp2p=error"));
    let ansi = style::is_wanted(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    raise_open_files();
    if std::env::var_os(NEXT_GATE).is_some() {
        symbi_model::gate::speak_next();
    }
    let options = options(start)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| context::no_runtime(&error))?;
    let ended = runtime.block_on(symbi_server::run::run(options));
    runtime.shutdown_timeout(Duration::from_secs(2));
    match ended? {
        Stopped::Terminated => Ok(()),
        // As a shell reports a program that SIGINT has ended, so that a script that runs it ends too.
        Stopped::Interrupted => std::process::exit(130),
    }
}

fn options(start: Start) -> Result<Options, Failure> {
    let variable = || std::env::var("SYMBI_JOIN_TOKEN").ok().filter(|text| !text.is_empty());
    let token = match (start.token, start.token_file) {
        (Some(text), _) => Token::Given(text),
        (None, Some(file)) => Token::File(file),
        (None, None) => variable().map_or(Token::Missing, Token::Given),
    };
    let join = Join { addresses: start.join, token, timeout: start.join_timeout };
    // One is the node's own name.
    if start.labels.len() >= LABELS {
        return Err(Failure::new(2, "LABELS", format!("{} labels are too many", start.labels.len()))
            .why(format!("a node has at most {} beside its name", LABELS - 1))
            .fix("give it fewer"));
    }
    let labels = (start.no_labels || !start.labels.is_empty()).then(|| start.labels.into_iter().collect());
    Ok(Options {
        data_dir: start.data_dir,
        name: start.name.map_or_else(host_name, Ok)?,
        cluster_name: start.cluster_name,
        domain: start.domain,
        listen: start.listen,
        advertise: start.advertise_addr,
        http: start.http,
        ready_file: start.ready_file,
        labels,
        max_agents: start.max_agents,
        join: (!join.addresses.is_empty()).then_some(join),
    })
}

fn host_name() -> Result<String, Failure> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let name = name.split('.').next().filter(|name| !name.is_empty()).unwrap_or("n1");
    value::label(name).map_err(|why| {
        Failure::new(2, "NODE_NAME", format!("this host's name, {name:?}, cannot be a node's"))
            .why(why)
            .fix("give the node another with --name NAME")
    })
}

/// A node holds a file for each connection, agent pipe and table: the soft limit of 1,024 that many systems set is too few.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(65_536, |maximum| maximum.min(65_536));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}
