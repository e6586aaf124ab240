//! The acts that are judged: one typed request for each enforcement point.
//!
//! A request says who wants to do what to whom. What the cluster knows of an agent (owner, tier) is read from the
//! replicated state when the request is judged, so that a caller cannot be wrong about it.

use std::collections::BTreeSet;
use symbi_model::agent::{AgentName, Recorded};
use symbi_model::{ApiTokenId, NodeId};

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
    /// A user who has shown an API token, and may do no more than is in its scope.
    Bearer {
        /// The user.
        user: String,
        /// The token.
        token: ApiTokenId,
    },
}

/// The user who may do everything under the starter policies, and may always [`Administer`]; and the group that may, too.
pub const ADMIN: &str = symbi_model::user::ADMIN;
/// What the scope of an API token calls all that has no action of its own in the policies.
pub const ADMINISTER: &str = "administer";

/// What [`Administer`] is asked for by who has an agent say something.
pub const SPEAK_AS_AGENT: &str = "message on behalf of an agent";

/// An act that a gate can judge. Sealed: the requests of this module are all there are.
pub trait Act: sealed::Describe {}

impl<R: sealed::Describe> Act for R {}

/// An act that changes nothing, and for which nobody needs a permit: that it is permitted is enough.
pub trait Reading: Act {}

/// Record an agent, so that it is placed and started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateAgent {
    /// Who wants it.
    pub principal: Principal,
    /// What is to be recorded; policies see name, owner, tier, labels, and as context what it reserves and its priority.
    pub spec: Recorded,
}

/// Change an agent that is there: give it another spec, have it run again, or start it anew. A new spec is judged besides, as
/// [`CreateAgent`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateAgent {
    /// Who wants it.
    pub principal: Principal,
    /// The agent, as it is.
    pub name: AgentName,
    /// Its owner, for display; the state's record decides.
    pub owner: String,
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
    /// The labels it says it has.
    pub labels: BTreeSet<String>,
}

/// Remove a node for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveNode {
    /// Who wants it.
    pub principal: Principal,
    /// The node.
    pub node: NodeId,
}

/// Make a new policy set the current one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyPolicies {
    /// Who wants it.
    pub principal: Principal,
}

/// Take the audit chain away in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportAudit {
    /// Who wants it.
    pub principal: Principal,
}

/// See what there is in the cluster: nodes, agents, policies, and what becomes of them, but not what is in an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCluster {
    /// Who wants it.
    pub principal: Principal,
}

/// See what is in an agent: the values of its environment and of its notes, its log, what became of its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAgent {
    /// Who wants it.
    pub principal: Principal,
    /// The agent.
    pub name: AgentName,
}

/// Read the records of the audit chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAudit {
    /// Who wants it.
    pub principal: Principal,
}

impl Reading for ReadCluster {}
impl Reading for ReadAgent {}
impl Reading for ReadAudit {}

/// Whatever has no action of its own in the policies, such as making a token: [`ADMIN`] may, and whom the current policy set's
/// entities put in the group of this name, by no policy's leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administer {
    /// Who wants it.
    pub principal: Principal,
    /// What, in a word or two, such as `"token.create"`.
    pub what: &'static str,
}

/// What seals [`Act`]: nobody outside this crate can name it.
pub(crate) mod sealed {
    use super::{ApiTokenId, BTreeSet, NodeId, Principal, Recorded};

    /// Who wants something, borrowed from the act.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Who<'a> {
        /// An agent, by name.
        Agent(&'a str),
        /// A node.
        Node {
            /// Its id.
            id: &'a NodeId,
            /// Its name.
            name: &'a str,
        },
        /// A user, by name.
        User(&'a str),
        /// A user who has shown an API token.
        Bearer {
            /// The name.
            user: &'a str,
            /// The token.
            token: &'a ApiTokenId,
        },
    }

    impl Who<'_> {
        /// The same without the token that was shown: whom policies know.
        pub fn bare(self) -> Self {
            match self {
                Self::Bearer { user, .. } => Self::User(user),
                other => other,
            }
        }

        /// The token that was shown.
        pub fn credential(self) -> Option<ApiTokenId> {
            match self {
                Self::Bearer { token, .. } => Some(*token),
                _ => None,
            }
        }
    }

    impl<'a> From<&'a Principal> for Who<'a> {
        fn from(principal: &'a Principal) -> Self {
            match principal {
                Principal::Agent(agent) => Self::Agent(&agent.name),
                Principal::Node { id, name } => Self::Node { id, name },
                Principal::User(name) => Self::User(name),
                Principal::Bearer { user, token } => Self::Bearer { user, token },
            }
        }
    }

    /// To what an act is done.
    #[derive(Clone, Copy, Debug)]
    pub enum Resource<'a> {
        /// An agent the state has a record of.
        Agent(&'a str),
        /// An agent that is to be.
        NewAgent(&'a Recorded),
        /// A node the state has a record of.
        Node(&'a NodeId),
        /// A node that is to be.
        NewNode {
            /// Its name.
            name: &'a str,
            /// Its labels.
            labels: &'a BTreeSet<String>,
        },
        /// The cluster.
        Cluster,
    }

    /// What else policies may look at: names and amounts.
    pub type Amounts = Vec<(&'static str, u64)>;

    /// An act as the policies see it, or one that they do not see.
    #[derive(Debug)]
    pub enum Question<'a> {
        /// One that policies answer.
        Policies {
            /// The action's name.
            action: &'static str,
            /// Who.
            principal: Who<'a>,
            /// To what.
            resource: Resource<'a>,
            /// The context.
            context: Amounts,
        },
        /// One that needs the administrator.
        Administrator {
            /// What is to be done.
            what: &'static str,
            /// Who.
            principal: Who<'a>,
        },
    }

    impl<'a> Question<'a> {
        /// Who asks.
        pub fn principal(&self) -> Who<'a> {
            match self {
                Self::Policies { principal, .. } | Self::Administrator { principal, .. } => *principal,
            }
        }

        /// What a token's scope calls it, and what it is.
        pub fn named(&self) -> (&'static str, &'static str) {
            match self {
                Self::Policies { action, .. } => (action, action),
                Self::Administrator { what, .. } => (super::ADMINISTER, what),
            }
        }
    }

    /// A request that can say what it asks.
    pub trait Describe {
        /// What it asks.
        fn question(&self) -> Question<'_>;
    }
}

use sealed::{Describe, Question, Resource, Who};

impl Describe for CreateAgent {
    fn question(&self) -> Question<'_> {
        let Recorded { resources, priority, .. } = &self.spec;
        let context = vec![
            ("cpu_millis", resources.cpu_millis),
            ("memory_mb", resources.memory_mb),
            ("priority", u64::from(*priority)),
        ];
        let principal = (&self.principal).into();
        Question::Policies { action: "agent::create", principal, resource: Resource::NewAgent(&self.spec), context }
    }
}

impl Describe for StopAgent {
    fn question(&self) -> Question<'_> {
        plain("agent::stop", &self.principal, Resource::Agent(self.name.as_str()))
    }
}

impl Describe for UpdateAgent {
    fn question(&self) -> Question<'_> {
        plain("agent::update", &self.principal, Resource::Agent(self.name.as_str()))
    }
}

impl Describe for DeleteAgent {
    fn question(&self) -> Question<'_> {
        plain("agent::delete", &self.principal, Resource::Agent(self.name.as_str()))
    }
}

impl Describe for Ask {
    fn question(&self) -> Question<'_> {
        plain("message::ask", &self.from, Resource::Agent(&self.to.name))
    }
}

impl Describe for Tell {
    fn question(&self) -> Question<'_> {
        plain("message::tell", &self.from, Resource::Agent(&self.to.name))
    }
}

impl Describe for Receive {
    fn question(&self) -> Question<'_> {
        plain("message::receive", &self.from, Resource::Agent(&self.to.name))
    }
}

impl Describe for AdmitNode {
    fn question(&self) -> Question<'_> {
        let resource = Resource::NewNode { name: &self.name, labels: &self.labels };
        Question::Policies { action: "node::admit", principal: Who::User(&self.user), resource, context: Vec::new() }
    }
}

impl Describe for RemoveNode {
    fn question(&self) -> Question<'_> {
        plain("node::remove", &self.principal, Resource::Node(&self.node))
    }
}

impl Describe for ApplyPolicies {
    fn question(&self) -> Question<'_> {
        plain("policy::apply", &self.principal, Resource::Cluster)
    }
}

impl Describe for ExportAudit {
    fn question(&self) -> Question<'_> {
        plain("audit::export", &self.principal, Resource::Cluster)
    }
}

impl Describe for ReadCluster {
    fn question(&self) -> Question<'_> {
        plain("cluster::read", &self.principal, Resource::Cluster)
    }
}

impl Describe for ReadAgent {
    fn question(&self) -> Question<'_> {
        plain("cluster::read", &self.principal, Resource::Agent(self.name.as_str()))
    }
}

impl Describe for ReadAudit {
    fn question(&self) -> Question<'_> {
        plain("audit::read", &self.principal, Resource::Cluster)
    }
}

impl Describe for Administer {
    fn question(&self) -> Question<'_> {
        Question::Administrator { what: self.what, principal: (&self.principal).into() }
    }
}

fn plain<'a>(action: &'static str, principal: &'a Principal, resource: Resource<'a>) -> Question<'a> {
    Question::Policies { action, principal: principal.into(), resource, context: Vec::new() }
}
