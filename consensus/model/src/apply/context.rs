//! Where a command stands while it is applied.

use crate::entry::Batch;
use crate::ids::NodeId;
use crate::state::State;

/// What a command's conditions may look at.
pub(super) struct Context<'a> {
    /// The state before the command.
    pub(super) state: &'a State,
    /// The log index of its entry.
    pub(super) index: u64,
    /// The node that proposed it.
    pub(super) origin: NodeId,
    /// Its batch.
    pub(super) batch: &'a Batch,
}
