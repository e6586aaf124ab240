//! Commands that are made by what the state knows.

use super::Command;
use crate::agent::Recorded;
use crate::ids::AgentId;
use crate::state::State;

impl Command {
    /// Records an agent, whose spec is named in the audit as `state`'s cluster names it.
    #[must_use]
    pub fn create_agent(state: &State, id: AgentId, spec: impl Into<Recorded>, actor: String) -> Self {
        let spec = spec.into();
        Self::CreateAgent { id, mac: state.spec_mac(&spec), spec, actor }
    }
}
