//! The commands: everything that can change the replicated state.

use crate::agent::{AgentName, AgentState, Spec};
use crate::hash::Hash;
use crate::ids::{AgentId, ClusterId, Epoch, Incarnation, NodeId, TokenId};
use crate::node::Profile;
use serde::{Deserialize, Serialize};

/// A change of the replicated state. The order of variants is the disk format: new ones go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Makes the cluster; valid on empty state only.
    Genesis(Genesis),
    /// Admits a node whose proof of a token was checked, consuming one use.
    Enrol(Enrol),
    /// Leader: the node has caught up; its use is spent for good.
    FinishJoin {
        /// The node.
        node: NodeId,
    },
    /// Leader: the join never finished; its name and its use are free again.
    ClearJoin {
        /// The node.
        node: NodeId,
    },
    /// A node's own: what it says of itself at a start, when that has changed.
    Introduce {
        /// The node.
        node: NodeId,
        /// What it says.
        profile: Profile,
    },
    /// Leader: the node is condemned; every placement it holds is lost.
    NodeDown {
        /// The node.
        node: NodeId,
    },
    /// Leader: the node asks for grants again.
    NodeUp {
        /// The node.
        node: NodeId,
    },
    /// Makes a join token.
    CreateToken(CreateToken),
    /// Revokes a join token.
    RevokeToken {
        /// The token.
        token: TokenId,
        /// For the audit: who asked.
        actor: String,
    },
    /// Records an agent.
    CreateAgent {
        /// Its id, minted by the proposer.
        id: AgentId,
        /// What was asked for.
        spec: Spec,
        /// For the audit: who asked.
        actor: String,
    },
    /// Wants an agent stopped.
    StopAgent {
        /// The agent.
        name: AgentName,
        /// For the audit: who asked.
        actor: String,
    },
    /// Wants an agent stopped, and its record gone.
    RemoveAgent {
        /// The agent.
        name: AgentName,
        /// For the audit: who asked.
        actor: String,
    },
    /// Sets a note on an agent, and raises its version at each write.
    Annotate {
        /// The agent.
        name: AgentName,
        /// The note's key.
        key: String,
        /// The note; at most [`crate::agent::ANNOTATION_BYTES`].
        value: String,
        /// For the audit: who asked.
        actor: String,
    },
    /// Leader: places an agent that has no placement, a lost one or a released one.
    Place {
        /// The agent's name.
        name: AgentName,
        /// Its id, so that a new agent of the same name is not meant.
        id: AgentId,
        /// The epoch it must still have; none if it was never placed.
        expected: Option<Epoch>,
        /// Where to.
        node: NodeId,
    },
    /// A node's own: what an agent placed on it is doing.
    Report(Report),
}

impl Command {
    /// Whether it must carry the permit of a gate: whatever a user or a joining node asks for.
    #[must_use]
    pub fn needs_permit(&self) -> bool {
        match self {
            Self::Enrol(_)
            | Self::CreateToken(_)
            | Self::RevokeToken { .. }
            | Self::CreateAgent { .. }
            | Self::StopAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::Annotate { .. } => true,
            Self::Genesis(_)
            | Self::FinishJoin { .. }
            | Self::ClearJoin { .. }
            | Self::Introduce { .. }
            | Self::NodeDown { .. }
            | Self::NodeUp { .. }
            | Self::Place { .. }
            | Self::Report(_) => false,
        }
    }

    /// Whether only a leader decides it, in batches of their own, valid in the term of the decision alone.
    #[must_use]
    pub fn is_leaders(&self) -> bool {
        match self {
            Self::FinishJoin { .. }
            | Self::ClearJoin { .. }
            | Self::NodeDown { .. }
            | Self::NodeUp { .. }
            | Self::Place { .. } => true,
            Self::Genesis(_)
            | Self::Enrol(_)
            | Self::Introduce { .. }
            | Self::CreateToken(_)
            | Self::RevokeToken { .. }
            | Self::CreateAgent { .. }
            | Self::StopAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::Annotate { .. }
            | Self::Report(_) => false,
        }
    }

    /// Whether a node says it of itself or of what is placed on it; only that node's own batch may carry it.
    #[must_use]
    pub fn is_nodes_own(&self) -> bool {
        match self {
            Self::Introduce { .. } | Self::Report(_) => true,
            Self::Genesis(_)
            | Self::Enrol(_)
            | Self::FinishJoin { .. }
            | Self::ClearJoin { .. }
            | Self::NodeDown { .. }
            | Self::NodeUp { .. }
            | Self::CreateToken(_)
            | Self::RevokeToken { .. }
            | Self::CreateAgent { .. }
            | Self::StopAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::Annotate { .. }
            | Self::Place { .. } => false,
        }
    }

    /// What audit records call it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "cluster.genesis",
            Self::Enrol(_) => "node.enrol",
            Self::FinishJoin { .. } => "node.join",
            Self::ClearJoin { .. } => "node.clear",
            Self::Introduce { .. } => "node.introduce",
            Self::NodeDown { .. } => "node.down",
            Self::NodeUp { .. } => "node.up",
            Self::CreateToken(_) => "token.create",
            Self::RevokeToken { .. } => "token.revoke",
            Self::CreateAgent { .. } => "agent.create",
            Self::StopAgent { .. } => "agent.stop",
            Self::RemoveAgent { .. } => "agent.remove",
            Self::Annotate { .. } => "agent.annotate",
            Self::Place { .. } => "agent.place",
            Self::Report(_) => "agent.report",
        }
    }
}

/// What makes a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// Its id.
    pub cluster: ClusterId,
    /// Its name.
    pub name: String,
    /// The domain of its agents' identities.
    pub domain: String,
    /// The first node.
    pub node: NodeId,
    /// The first node's name.
    pub node_name: String,
    /// What the first node says of itself.
    pub profile: Profile,
    /// SHA-256 of the first API token.
    pub admin_token: Hash,
    /// Policy set 1.
    pub policies: String,
}

/// A node's admission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it says of itself.
    pub profile: Profile,
    /// The token it proved.
    pub token: TokenId,
}

/// A new join token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateToken {
    /// Its id.
    pub token: TokenId,
    /// HKDF of its secret.
    pub verifier: [u8; 32],
    /// How many joins it allows.
    pub uses: u32,
    /// When it ends, ms since the Unix epoch.
    pub expires_ms: u64,
    /// Who asked, and for whom `node::admit` will be judged.
    pub actor: String,
}

/// What an agent is doing, as its node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The agent's name.
    pub name: AgentName,
    /// Under which epoch.
    pub epoch: Epoch,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// Its state.
    pub state: AgentState,
    /// Starts after the first one under this epoch.
    pub restarts: u32,
    /// Why, for people.
    pub detail: String,
    /// Process ended, gates shut, and this epoch is never started again.
    pub released: bool,
}
