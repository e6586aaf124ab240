//! Who replicates a group.

use serde::{Deserialize, Serialize};
use std::fmt;
use symbi_model::NodeId;

/// A replica of a group.
///
/// A node that gave up a replica of a group and is given another one gets a new number with it: under its old one it would
/// have forgotten what it had promised. The control group's replicas are as old as their nodes and have number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The node.
    pub node: NodeId,
    /// Which of the replicas that the node ever had of the group.
    pub number: u64,
}

impl From<NodeId> for ReplicaId {
    fn from(node: NodeId) -> Self {
        Self { node, number: 0 }
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => formatter.write_str(&self.node.short()),
            number => write!(formatter, "{}/{number}", self.node.short()),
        }
    }
}

/// For openraft's storage suite, which numbers its nodes.
#[cfg(test)]
impl From<u64> for ReplicaId {
    fn from(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Self { node: NodeId(bytes), number }
    }
}
