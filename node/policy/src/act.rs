//! The acts that are judged: one typed request for each enforcement point.
//!
//! A request says who wants to do what to whom. What the cluster knows of an agent (owner, tier) is read from the
//! replicated state when the request is judged, so that a caller cannot be wrong about it.

use symbi_model::NodeId;
use symbi_model::agent::{AgentName, Tier};

/// An agent as its peers name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRef {
    /// Its name.
    pub name: String,
    /// Whose it is, for display; the state's record decides.
    pub owner: String,
}

/// On whose behalf an act is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An agent.
    Agent(AgentRef),
    /// A node of the cluster.
    Node {
        /// Its id.
        id: NodeId,
        /// Its name, which policies know it by.
        name: String,
    },
    /// A user of the HTTP interface; a gateway speaks as its caller.
    User(String),
}

/// The user who may do everything under the starter policies, and alone may [`Administer`].
pub const ADMIN: &str = "admin";

/// An act that a gate can judge. Sealed: the requests of this module are all there are.
pub trait Act: sealed::Describe {}

impl<R: sealed::Describe> Act for R {}

/// Record an agent, so that it is placed and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAgent {
    /// Who wants it.
    pub principal: Principal,
    /// The new agent's name.
    pub name: AgentName,
    /// Its owner.
    pub owner: String,
    /// What is to isolate it.
    pub tier: Tier,
}

/// Stop an agent; its record stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopAgent {
    /// Who wants it.
    pub principal: Principal,
    /// The agent.
    pub name: AgentName,
    /// Its owner, for display; the state's record decides.
    pub owner: String,
}

/// Stop an agent and delete its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteAgent {
    /// Who wants it.
    pub principal: Principal,
    /// The agent.
    pub name: AgentName,
    /// Its owner, for display; the state's record decides.
    pub owner: String,
}

/// Send an agent a message that wants an answer: judged where the sender is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The sender.
    pub from: Principal,
    /// The receiver.
    pub to: AgentRef,
}

/// Send an agent a message that wants no answer: judged where the sender is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// The sender.
    pub from: Principal,
    /// The receiver.
    pub to: AgentRef,
}

/// Give an agent a message that has arrived for it: judged where the receiver runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// The sender.
    pub from: Principal,
    /// The receiver.
    pub to: AgentRef,
}

/// Let a new node in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitNode {
    /// The user who made the join token.
    pub user: String,
    /// The new node's name.
    pub name: String,
}

/// Take the audit chain away in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportAudit {
    /// Who wants it.
    pub principal: Principal,
}

/// Whatever has no action of its own in the policies, such as making a token: only [`ADMIN`] may, by no policy's leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administer {
    /// Who wants it.
    pub principal: Principal,
    /// What, in a word or two, such as `"token.create"`.
    pub what: &'static str,
}

/// What seals [`Act`]: nobody outside this crate can name it.
pub(crate) mod sealed {
    use super::{AgentName, Principal, Tier};

    /// To what an act is done.
    #[derive(Debug)]
    pub enum Resource<'a> {
        /// An agent the state has a record of.
        Agent(&'a str),
        /// An agent that is to be.
        NewAgent {
            /// Its name.
            name: &'a AgentName,
            /// Its owner.
            owner: &'a str,
            /// What is to isolate it.
            tier: Tier,
        },
        /// A node that is to be, by name.
        NewNode(&'a str),
        /// The cluster.
        Cluster,
    }

    /// An act as the policies see it, or one that they do not see.
    #[derive(Debug)]
    pub enum Question<'a> {
        /// One that policies answer.
        Policies {
            /// The action's name.
            action: &'static str,
            /// Who.
            principal: Principal,
            /// To what.
            resource: Resource<'a>,
        },
        /// One that needs the administrator.
        Administrator {
            /// What is to be done.
            what: &'static str,
            /// Who.
            principal: Principal,
        },
    }

    /// A request that can say what it asks.
    pub trait Describe {
        /// What it asks.
        fn question(&self) -> Question<'_>;
    }
}

use sealed::{Describe, Question, Resource};

impl Describe for CreateAgent {
    fn question(&self) -> Question<'_> {
        let resource = Resource::NewAgent { name: &self.name, owner: &self.owner, tier: self.tier };
        Question::Policies { action: "agent::create", principal: self.principal.clone(), resource }
    }
}

impl Describe for StopAgent {
    fn question(&self) -> Question<'_> {
        let resource = Resource::Agent(self.name.as_str());
        Question::Policies { action: "agent::stop", principal: self.principal.clone(), resource }
    }
}

impl Describe for DeleteAgent {
    fn question(&self) -> Question<'_> {
        let resource = Resource::Agent(self.name.as_str());
        Question::Policies { action: "agent::delete", principal: self.principal.clone(), resource }
    }
}

impl Describe for Ask {
    fn question(&self) -> Question<'_> {
        let resource = Resource::Agent(&self.to.name);
        Question::Policies { action: "message::ask", principal: self.from.clone(), resource }
    }
}

impl Describe for Tell {
    fn question(&self) -> Question<'_> {
        let resource = Resource::Agent(&self.to.name);
        Question::Policies { action: "message::tell", principal: self.from.clone(), resource }
    }
}

impl Describe for Receive {
    fn question(&self) -> Question<'_> {
        let resource = Resource::Agent(&self.to.name);
        Question::Policies { action: "message::receive", principal: self.from.clone(), resource }
    }
}

impl Describe for AdmitNode {
    fn question(&self) -> Question<'_> {
        let principal = Principal::User(self.user.clone());
        Question::Policies { action: "node::admit", principal, resource: Resource::NewNode(&self.name) }
    }
}

impl Describe for ExportAudit {
    fn question(&self) -> Question<'_> {
        Question::Policies { action: "audit::export", principal: self.principal.clone(), resource: Resource::Cluster }
    }
}

impl Describe for Administer {
    fn question(&self) -> Question<'_> {
        Question::Administrator { what: self.what, principal: self.principal.clone() }
    }
}
