//! The keys of the state's rows.
//!
//! Key bytes, by table: `Meta` the texts `chain`, `checkpoint`, `cluster`, `counters`, `hop` and `spent`; `Nodes` the id's 32 bytes; `Agents` the name;
//! `PolicySets` the number as eight big-endian bytes; `JoinTokens` the id's 6 bytes; `ApiTokens` the token's SHA-256;
//! `Dedup` the client's 16 bytes; `Ledgers` the node's 32 bytes; `Users` the name.

use super::table::Table;
use crate::agent::AgentName;
use crate::hash::Hash;
use crate::ids::{ClientId, NodeId, PolicyNumber, TokenId};

/// The key of the chain's row.
pub(super) const CHAIN: &[u8] = b"chain";
/// The key of the last checkpoint's row.
pub(super) const CHECKPOINT: &[u8] = b"checkpoint";
/// The key of the last hop's row.
pub(super) const HOP: &[u8] = b"hop";
/// The key of the cluster's row.
pub(super) const CLUSTER: &[u8] = b"cluster";
/// The key of the counters' row.
pub(super) const COUNTERS: &[u8] = b"counters";
/// The key of the row of spent times.
pub(super) const SPENT: &[u8] = b"spent";

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The chain, as far as it must be known to let it grow.
    Chain,
    /// The last checkpoint.
    Checkpoint,
    /// The cluster's facts.
    Cluster,
    /// The counters.
    Counters,
    /// The last hop.
    Hop,
    /// The times of the clients of whom a row is gone.
    Spent,
    /// A node.
    Node(NodeId),
    /// An agent.
    Agent(AgentName),
    /// A policy set.
    PolicySet(PolicyNumber),
    /// A join token.
    JoinToken(TokenId),
    /// An API token.
    ApiToken(Hash),
    /// A client's last request.
    Dedup(ClientId),
    /// How far a node's ledger is anchored.
    Ledger(NodeId),
    /// A user.
    User(String),
    /// A row of the next gate's table.
    #[cfg(planted)]
    Mark(u8),
}

impl Key {
    pub(super) fn table(&self) -> Table {
        match self {
            Self::Chain | Self::Checkpoint | Self::Cluster | Self::Counters | Self::Hop | Self::Spent => Table::Meta,
            Self::Node(_) => Table::Nodes,
            Self::Agent(_) => Table::Agents,
            Self::PolicySet(_) => Table::PolicySets,
            Self::JoinToken(_) => Table::JoinTokens,
            Self::ApiToken(_) => Table::ApiTokens,
            Self::Dedup(_) => Table::Dedup,
            Self::Ledger(_) => Table::Ledgers,
            Self::User(_) => Table::Users,
            #[cfg(planted)]
            Self::Mark(_) => Table::Marks,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Cluster => CLUSTER.to_vec(),
            Self::Counters => COUNTERS.to_vec(),
            Self::Chain => CHAIN.to_vec(),
            Self::Checkpoint => CHECKPOINT.to_vec(),
            Self::Hop => HOP.to_vec(),
            Self::Spent => SPENT.to_vec(),
            Self::Node(node) | Self::Ledger(node) => node.0.to_vec(),
            Self::Agent(name) => name.as_str().as_bytes().to_vec(),
            Self::PolicySet(number) => number.0.to_be_bytes().to_vec(),
            Self::JoinToken(token) => token.0.to_vec(),
            Self::ApiToken(hash) => hash.0.to_vec(),
            Self::Dedup(client) => client.0.as_bytes().to_vec(),
            Self::User(name) => name.as_bytes().to_vec(),
            #[cfg(planted)]
            Self::Mark(key) => vec![*key],
        }
    }
}
