//! Who answers a message: one incarnation of its receiver.

use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Incarnation};
use symbi_policy::credential::Verified;

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answerer {
    /// The agent.
    pub(crate) name: AgentName,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// Which start of it.
    pub(crate) incarnation: Incarnation,
}

impl Answerer {
    /// The receiver `name` of a session.
    pub(crate) fn new(name: AgentName, verified: &Verified) -> Self {
        Self { name, epoch: verified.epoch, incarnation: verified.incarnation }
    }
}
