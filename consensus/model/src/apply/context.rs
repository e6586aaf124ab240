//! Where a command stands while it is applied.

use crate::agent::{Agent, AgentName};
use crate::entry::Batch;
use crate::ids::NodeId;
use crate::outcome::Refusal;
use crate::state::State;

/// What a command's conditions may look at.
pub(super) struct Context<'a> {
    /// The state before the command.
    pub(super) state: &'a State,
    /// The log index of its entry.
    pub(super) index: u64,
    /// Its position in its batch.
    pub(super) position: u32,
    /// The node that proposed it.
    pub(super) origin: NodeId,
    /// Its batch.
    pub(super) batch: &'a Batch,
}

impl<'a> Context<'a> {
    /// The agent of this name.
    pub(super) fn agent(&self, name: &AgentName) -> Result<&'a Agent, Refusal> {
        self.state.agents.get(name).ok_or(Refusal::NotFound)
    }
}
