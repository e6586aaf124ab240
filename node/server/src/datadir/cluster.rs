//! The two small files that say which cluster a node is of: `cluster.json`, and `join.pending` until its join has ended.

use crate::options::Options;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use symbi_model::NodeId;
use symbi_proto::token::JoinToken;

/// What `cluster.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The cluster's id.
    pub id: String,
    /// The cluster's name.
    pub name: String,
    /// This node's name.
    pub node_name: String,
    /// `--listen`, as it was given last.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// `--advertise-addr`, as it was given last.
    #[serde(default)]
    pub advertise: Option<SocketAddr>,
    /// `--http`, as it was given last.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// `--label`, as it was given last.
    #[serde(default)]
    pub labels: Option<BTreeSet<String>>,
    /// `--max-agents`, as it was given last.
    #[serde(default)]
    pub max_agents: Option<u32>,
    /// The genesis entry, on the node that bootstrapped.
    #[serde(with = "entry")]
    pub genesis: Option<Vec<u8>>,
    /// Who was a member when this node joined, to find them before its own log tells.
    pub roster: Vec<Peer>,
    /// The log index of this node's enrolment.
    pub enrolled_at: u64,
}

/// A member, as it was known at the join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its id.
    #[serde(with = "id")]
    pub id: NodeId,
    /// Its address.
    pub addr: SocketAddr,
}

/// What `join.pending` holds. A field that is not known is passed over: there is nothing here that a join needs to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The public half of the token that was proved.
    pub token: String,
    /// The cluster it belongs to: the first eight digits of its id.
    pub cluster: String,
}

impl Cluster {
    /// The members that were known at the join, as the network takes them.
    #[must_use]
    pub fn members(&self) -> BTreeMap<NodeId, symbi_net::Member> {
        self.roster.iter().map(|peer| (peer.id, symbi_net::Member { addr: peer.addr })).collect()
    }

    /// The same, with what was asked for now.
    #[must_use]
    pub fn with(&self, options: &Options) -> Self {
        Self {
            listen: options.listen,
            advertise: options.advertise,
            http: options.http,
            labels: options.labels.clone(),
            max_agents: options.max_agents,
            ..self.clone()
        }
    }
}

impl Pending {
    /// The note of a join that is about to be asked for.
    #[must_use]
    pub fn new(token: &JoinToken) -> Self {
        Self { token: token.id.to_string(), cluster: hex::encode(token.cluster_prefix) }
    }
}

/// A node's id as its hex digits.
mod id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use symbi_model::NodeId;

    pub(super) fn serialize<S: Serializer>(id: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An encoded log entry as hex digits.
mod entry {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(entry: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        entry.as_ref().map(hex::encode).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| hex::decode(text).map_err(D::Error::custom)).transpose()
    }
}
