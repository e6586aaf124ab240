//! What an operator can set, with every default.

use crate::failure::Failure;
use crate::join;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use symbi_proto::token::JoinToken;

/// The data directory when none is named.
pub const DATA_DIR: &str = "symbi-data";
/// Where other nodes reach a node when nothing else is said.
pub const LISTEN: &str = "127.0.0.1:7400";
/// Where the HTTP interface listens when nothing else is said.
pub const HTTP: &str = "127.0.0.1:8080";

/// What a node's name is as a label, which every node has of itself: so an agent can require just one node.
pub const NODE_LABEL: &str = "node=";

/// How a node starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything of this node is kept.
    pub data_dir: PathBuf,
    /// The node's name; by default the host's name.
    pub name: String,
    /// The name of a cluster that is made.
    pub cluster_name: String,
    /// The domain of its agents' identities; by default `<cluster name>.symbi.internal`.
    pub domain: Option<String>,
    /// Where other nodes reach it; by default as before, and [`LISTEN`] at first.
    pub listen: Option<SocketAddr>,
    /// The address told to other nodes; by default as before, and the one that was bound at first.
    pub advertise: Option<SocketAddr>,
    /// Where the HTTP interface listens; by default as before, and [`HTTP`] at first.
    pub http: Option<SocketAddr>,
    /// A file made once the node is ready, and removed when it stops.
    pub ready_file: Option<PathBuf>,
    /// Words that agents may require of this node and policies may look at; by default as before, and none at first.
    pub labels: Option<BTreeSet<String>>,
    /// How many agents it takes; by default as before, and [`symbi_model::node::MAX_AGENTS`] at first.
    pub max_agents: Option<u32>,
    /// How to join; none bootstraps or restarts.
    pub join: Option<Join>,
}

/// How to join a cluster.
#[derive(Clone, Debug)]
pub struct Join {
    /// Members, as `host:port`, in the order in which they are tried.
    pub addresses: Vec<String>,
    /// The join token.
    pub token: Token,
    /// How long the whole join may take.
    pub timeout: Duration,
}

/// Where the join token comes from. It is read when there is a join to be done: a member's unit file may name a file that
/// is long gone.
#[derive(Clone)]
pub enum Token {
    /// Its text.
    Given(String),
    /// A file that holds it.
    File(PathBuf),
    /// Nobody has said.
    Missing,
}

impl Options {
    /// Where other nodes reach it.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| LISTEN.parse().expect("an address"))
    }

    /// Where the HTTP interface listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http.unwrap_or_else(|| HTTP.parse().expect("an address"))
    }
}

impl Token {
    /// The token.
    ///
    /// # Errors
    /// `JOIN_TOKEN`: there is none, or it cannot be read.
    pub fn read(&self) -> Result<JoinToken, Failure> {
        let text = match self {
            Self::Given(text) => text.clone(),
            Self::File(file) => std::fs::read_to_string(file).map_err(|error| {
                Failure::new(24, "JOIN_TOKEN", format!("cannot read the join token from {}", file.display()))
                    .why(error.to_string())
                    .fix("name a readable file with --token-file")
            })?,
            Self::Missing => {
                return Err(Failure::new(24, "JOIN_TOKEN", "--join needs a join token").fix(
                    "on a member: symbi-node token create; then give it with --token, --token-file or SYMBI_JOIN_TOKEN",
                ));
            }
        };
        text.trim()
            .parse()
            .map_err(|error: symbi_proto::Error| join::token_failure("the token cannot be read").why(error.to_string()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Given(_) => "a token that is not shown",
            Self::File(_) => "a token in a file",
            Self::Missing => "no token",
        })
    }
}
