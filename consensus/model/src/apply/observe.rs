//! What a result says besides its outcome: what the state had of the command's subject before it. Kept apart from the act, which
//! its origin signed without knowing this.

use crate::agent::AgentName;
use crate::command::{Command, UpdateAgent};
use crate::field::Fields;
use crate::ids::NodeId;
use crate::names::Field;
use crate::state::State;

/// What is known of the subject before the command.
pub(super) fn observe(state: &State, command: &Command) -> Fields {
    match command {
        Command::StopAgent { name, .. } | Command::RemoveAgent { name, .. } => agent(state, name),
        Command::UpdateAgent(UpdateAgent { aimed, .. })
        | Command::StartAgent(aimed)
        | Command::RestartAgent(aimed)
        | Command::RollbackAgent { aimed, .. } => agent(state, &aimed.name),
        Command::FinishJoin { node } | Command::ClearJoin { node } => join(state, node),
        Command::NodeDown { node } => Fields::new().with(Field::COUNT, state.held_count(node) as u64),
        _ => Fields::new(),
    }
}

/// Which agent this name meant, and where it was.
fn agent(state: &State, name: &AgentName) -> Fields {
    let Some(agent) = state.agents.get(name) else { return Fields::new() };
    let fields = Fields::new().with(Field::AGENT, agent.id);
    match agent.placement {
        Some(placement) => fields.with(Field::EPOCH, placement.epoch.0).with(Field::NODE, placement.node),
        None => fields,
    }
}

/// With which token the node came.
fn join(state: &State, node: &NodeId) -> Fields {
    match state.nodes.get(node).and_then(|node| node.token) {
        Some(token) => Fields::new().with(Field::TOKEN, token),
        None => Fields::new(),
    }
}
