//! The commands: everything that can change the replicated state.

mod agents;
mod create;

pub use agents::{Aimed, Report, UpdateAgent};

use crate::agent::{AgentName, Recorded};
use crate::document::Document;
use crate::gate;
use crate::hash::Hash;
use crate::ids::{AgentId, ClusterId, Epoch, NodeId, TokenId};
use crate::ledger::Anchor;
use crate::names::Kind;
use crate::node::Profile;
use crate::secret::Secret;
use crate::token::Scope;
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
        spec: Recorded,
        /// Its document's hash under the cluster's secret: for the audit, which does not know the secret.
        mac: Hash,
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
    /// Makes a policy set, one more than the last, and makes it the current one.
    ApplyPolicies {
        /// The Cedar policies; at most [`crate::policy::TEXT_BYTES`].
        text: String,
        /// Their entities as Cedar's JSON, `[]` for none; at most [`crate::policy::TEXT_BYTES`].
        entities: String,
        /// A user who, as the proposer's gate found, can change the policies under these.
        keeper: String,
        /// For the audit: who asked.
        actor: String,
    },
    /// Leader: how far ledgers have come, each in the words of its node; 1 to [`crate::ledger::ANCHORS`].
    Anchor {
        /// One for each ledger that has something new.
        anchors: Vec<Anchor>,
    },
    /// Removes for good a member that is down.
    RemoveNode {
        /// The node.
        node: NodeId,
        /// For the audit: who asked.
        actor: String,
    },
    /// Opens a gate for good.
    Finalize {
        /// The gate.
        gate: u32,
        /// For the audit: who asked.
        actor: String,
    },
    /// Gives an agent another spec; if it runs, it is started anew.
    UpdateAgent(UpdateAgent),
    /// Wants an agent to run that was stopped, or has ended.
    StartAgent(Aimed),
    /// Wants an agent started anew.
    RestartAgent(Aimed),
    /// Gives an agent the spec that it had before its last update; if it runs, it is started anew.
    RollbackAgent {
        /// The agent, as it must be.
        aimed: Aimed,
        /// The hash of the spec that it is given, under the cluster's secret.
        mac: Hash,
    },
    /// Leader: the chain so far is closed by a checkpoint, to be witnessed.
    Seal,
    /// Leader: who is to vote next, or that they do, or that they will not.
    Voters {
        /// How far the change is.
        phase: Phase,
        /// Whom it is about; ids rise.
        voters: Vec<NodeId>,
    },
    /// A node's own: it is about to stop. Nothing is placed on it any more, until it introduces itself again.
    Leave {
        /// The node.
        node: NodeId,
    },
    /// Records a user.
    CreateUser {
        /// The name.
        name: String,
        /// For the audit: who asked.
        actor: String,
    },
    /// Removes a user, with the API tokens, and revokes the join tokens that the user made.
    RemoveUser {
        /// The name.
        name: String,
        /// Another user who, as the proposer's gate found, can still change the policies afterwards.
        keeper: String,
        /// For the audit: who asked.
        actor: String,
    },
    /// Makes an API token of a user.
    CreateApiToken(CreateApiToken),
    /// Revokes an API token.
    RevokeApiToken {
        /// SHA-256 of its text.
        token: Hash,
        /// A user who, as the proposer's gate found, can still change the policies afterwards.
        keeper: String,
        /// For the audit: who asked.
        actor: String,
    },
    /// The next gate's command, in builds for tests only: writes a row of the next gate's table.
    #[cfg(planted)]
    Mark {
        /// The row.
        key: u8,
    },
}

/// How far a change of voters is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// They are named to follow. The change begins once those who rule have witnessed this.
    Next,
    /// They rule alone.
    Settled,
    /// They will not follow.
    Aborted,
}

impl Phase {
    /// What audit records call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Settled => "settled",
            Self::Aborted => "aborted",
        }
    }
}

/// Who may propose a command, and what it must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The first entry of all.
    Genesis,
    /// Whatever a user or a joining node asks for: any node proposes it, with the permit of its gate.
    Permitted,
    /// Only a leader decides it, in batches of their own, valid in the term of the decision alone.
    Leaders,
    /// A node says it of itself or of what is placed on it; only that node's own batch may carry it.
    NodesOwn,
}

impl Command {
    /// Who may propose it, and what it must carry.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Genesis(_) => Class::Genesis,
            Self::Enrol(_)
            | Self::CreateToken(_)
            | Self::RevokeToken { .. }
            | Self::CreateAgent { .. }
            | Self::StopAgent { .. }
            | Self::RemoveAgent { .. }
            | Self::Annotate { .. }
            | Self::ApplyPolicies { .. }
            | Self::RemoveNode { .. }
            | Self::Finalize { .. }
            | Self::UpdateAgent(_)
            | Self::StartAgent(_)
            | Self::RestartAgent(_)
            | Self::RollbackAgent { .. }
            | Self::CreateUser { .. }
            | Self::RemoveUser { .. }
            | Self::CreateApiToken(_)
            | Self::RevokeApiToken { .. } => Class::Permitted,
            #[cfg(planted)]
            Self::Mark { .. } => Class::NodesOwn,
            Self::FinishJoin { .. }
            | Self::ClearJoin { .. }
            | Self::NodeDown { .. }
            | Self::NodeUp { .. }
            | Self::Place { .. }
            | Self::Anchor { .. }
            | Self::Seal
            | Self::Voters { .. } => Class::Leaders,
            Self::Introduce { .. } | Self::Report(_) | Self::Leave { .. } => Class::NodesOwn,
        }
    }

    /// Whether it must carry the permit of a gate.
    #[must_use]
    pub fn needs_permit(&self) -> bool {
        self.class() == Class::Permitted
    }

    /// The next gate's command, which writes row `key` of the next gate's table; there is one in builds for tests only.
    #[must_use]
    pub fn of_next_gate(key: u8) -> Option<Self> {
        #[cfg(planted)]
        let command = Some(Self::Mark { key });
        #[cfg(not(planted))]
        let command = std::iter::empty::<Self>().nth(usize::from(key));
        command
    }

    /// The gate that must be open for it: the one that brought it, and those that brought the documents in it. One that is to be
    /// opened is not among them: that is what it does.
    #[must_use]
    pub fn gate(&self) -> u32 {
        let documents = match self {
            Self::Genesis(Genesis { profile, .. })
            | Self::Enrol(Enrol { profile, .. })
            | Self::Introduce { profile, .. } => profile.about.gate(),
            Self::CreateAgent { spec, .. } | Self::UpdateAgent(UpdateAgent { spec, .. }) => spec.document.gate(),
            Self::Report(report) => report.account.as_ref().map_or(gate::FIRST, Document::gate),
            _ => gate::FIRST,
        };
        documents.max(self.brought_by())
    }

    /// The gate that brought it, or a value in it that the codec reads: a program that does not speak that gate cannot read it.
    #[must_use]
    pub fn brought_by(&self) -> u32 {
        match self {
            #[cfg(planted)]
            Self::Mark { .. } => gate::NEXT,
            _ => gate::FIRST,
        }
    }

    /// Whether only a leader decides it.
    #[must_use]
    pub fn is_leaders(&self) -> bool {
        self.class() == Class::Leaders
    }

    /// Whether only the node that it is about may propose it.
    #[must_use]
    pub fn is_nodes_own(&self) -> bool {
        self.class() == Class::NodesOwn
    }

    /// The node of which it is said, where only that node may say it. (A report is held to its placement instead.)
    #[must_use]
    pub fn said_of(&self) -> Option<NodeId> {
        match self {
            Self::Introduce { node, .. } | Self::Leave { node } => Some(*node),
            _ => None,
        }
    }

    /// Whom its proposer names as the one who asked; none for what nodes say themselves.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::CreateToken(create) => Some(&create.actor),
            Self::CreateApiToken(create) => Some(&create.actor),
            Self::RevokeToken { actor, .. }
            | Self::CreateAgent { actor, .. }
            | Self::StopAgent { actor, .. }
            | Self::RemoveAgent { actor, .. }
            | Self::Annotate { actor, .. }
            | Self::ApplyPolicies { actor, .. }
            | Self::RemoveNode { actor, .. }
            | Self::Finalize { actor, .. }
            | Self::CreateUser { actor, .. }
            | Self::RemoveUser { actor, .. }
            | Self::RevokeApiToken { actor, .. } => Some(actor),
            Self::UpdateAgent(UpdateAgent { aimed, .. })
            | Self::StartAgent(aimed)
            | Self::RestartAgent(aimed)
            | Self::RollbackAgent { aimed, .. } => Some(&aimed.actor),
            #[cfg(planted)]
            Self::Mark { .. } => None,
            Self::Genesis(_)
            | Self::Enrol(_)
            | Self::FinishJoin { .. }
            | Self::ClearJoin { .. }
            | Self::Introduce { .. }
            | Self::NodeDown { .. }
            | Self::NodeUp { .. }
            | Self::Place { .. }
            | Self::Report(_)
            | Self::Anchor { .. }
            | Self::Seal
            | Self::Voters { .. }
            | Self::Leave { .. } => None,
        }
    }

    /// What audit records call it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::CLUSTER_GENESIS,
            Self::Enrol(_) => Kind::NODE_ENROL,
            Self::FinishJoin { .. } => Kind::NODE_JOIN,
            Self::ClearJoin { .. } => Kind::NODE_CLEAR,
            Self::Introduce { .. } => Kind::NODE_INTRODUCE,
            Self::NodeDown { .. } => Kind::NODE_DOWN,
            Self::NodeUp { .. } => Kind::NODE_UP,
            Self::CreateToken(_) => Kind::TOKEN_CREATE,
            Self::RevokeToken { .. } => Kind::TOKEN_REVOKE,
            Self::CreateAgent { .. } => Kind::AGENT_CREATE,
            Self::StopAgent { .. } => Kind::AGENT_STOP,
            Self::RemoveAgent { .. } => Kind::AGENT_REMOVE,
            Self::Annotate { .. } => Kind::AGENT_ANNOTATE,
            Self::Place { .. } => Kind::AGENT_PLACE,
            Self::Report(_) => Kind::AGENT_REPORT,
            Self::ApplyPolicies { .. } => Kind::POLICY_APPLY,
            Self::Anchor { .. } => Kind::LEDGER_ANCHOR,
            Self::RemoveNode { .. } => Kind::NODE_REMOVE,
            Self::Finalize { .. } => Kind::UPGRADE_FINALIZE,
            Self::UpdateAgent(_) => Kind::AGENT_UPDATE,
            Self::StartAgent(_) => Kind::AGENT_START,
            Self::RestartAgent(_) => Kind::AGENT_RESTART,
            Self::RollbackAgent { .. } => Kind::AGENT_ROLLBACK,
            Self::Seal => Kind::AUDIT_SEAL,
            Self::Voters { .. } => Kind::AUDIT_VOTERS,
            Self::Leave { .. } => Kind::NODE_LEAVING,
            Self::CreateUser { .. } => Kind::USER_CREATE,
            Self::RemoveUser { .. } => Kind::USER_REMOVE,
            Self::CreateApiToken(_) => Kind::API_TOKEN_CREATE,
            Self::RevokeApiToken { .. } => Kind::API_TOKEN_REVOKE,
            #[cfg(planted)]
            Self::Mark { .. } => Kind::NEXT_MARK,
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
    /// The gate with which it begins.
    pub gate: u32,
    /// SHA-256 of the first API token.
    pub admin_token: Hash,
    /// Policy set 1.
    pub policies: String,
    /// 32 random bytes, under which specs are named in the audit.
    pub secret: Secret,
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

/// A new API token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateApiToken {
    /// SHA-256 of its text.
    pub hash: Hash,
    /// The user for whom its bearer acts.
    pub user: String,
    /// What its bearer may do at most.
    pub scope: Scope,
    /// When it ends, ms since the Unix epoch; none for never.
    pub expires_ms: Option<u64>,
    /// Who asked.
    pub actor: String,
}
