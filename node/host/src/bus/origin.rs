//! Who sent a message, as a credential or this node itself vouches for it.

use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Incarnation, State};
use symbi_policy::{AgentRef, Principal};

/// A sender, as its credential or this node itself vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An agent.
    Agent {
        /// Its name.
        name: AgentName,
        /// Its epoch.
        epoch: Epoch,
        /// Which start of it.
        incarnation: Incarnation,
    },
    /// A node's gateway.
    Gateway {
        /// For whom it speaks, as that node says.
        user: String,
    },
}

impl Origin {
    /// How the receiver's program is told of it.
    pub(crate) fn name_for_agents(&self) -> String {
        match self {
            Self::Gateway { user } => format!("user:{user}"),
            Self::Agent { name, .. } => name.to_string(),
        }
    }

    /// For whom the policy judges.
    pub(crate) fn principal(&self, state: &State) -> Principal {
        match self {
            Self::Gateway { user } => Principal::User(user.clone()),
            Self::Agent { name, .. } => {
                let owner = state.agents.get(name).map(|agent| agent.spec.owner.clone()).unwrap_or_default();
                Principal::Agent(AgentRef { name: name.to_string(), owner })
            }
        }
    }
}
