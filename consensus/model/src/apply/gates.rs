//! Gates at apply: nothing of a gate that is not open takes effect, and a gate opens when every member speaks it.

use super::context::Context;
use crate::codec::Error;
use crate::command::Command;
use crate::gate;
use crate::node::Membership;
use crate::outcome::{Outcome, Refusal};
use crate::state::{Change, State};

/// Why a batch with acts of this version is refused whole.
pub(super) fn refusal(state: &State, acts: u16) -> Option<Refusal> {
    shut(state, gate::of_acts(acts)).err()
}

/// Whether every program that may be in the cluster reads this command.
pub(super) fn is_known(state: &State, command: &Command) -> bool {
    shut(state, command.brought_by()).is_ok()
}

/// Whether the command's gate is open, and those of the documents in it.
pub(super) fn check(state: &State, command: &Command) -> Result<(), Refusal> {
    shut(state, command.gate())
}

/// Why this program can apply nothing more.
pub(super) fn outdated(state: &State) -> Option<Error> {
    let (open, spoken) = (state.counters.gate, gate::spoken());
    (open > spoken).then_some(Error::Gate { open, spoken })
}

fn shut(state: &State, gate: u32) -> Result<(), Refusal> {
    if gate > state.counters.gate.max(gate::FIRST) { Err(Refusal::GateClosed { gate }) } else { Ok(()) }
}

pub(super) fn finalize(context: &Context<'_>, gate: u32, change: &mut Change) -> Result<Outcome, Refusal> {
    let members = context.state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    let behind = members.clone().find(|(_, node)| node.profile.speaks < gate);
    if let Some((node, record)) = behind {
        return Err(Refusal::GateUnspoken { node: *node, speaks: record.profile.speaks });
    }
    change.counters.gate = change.counters.gate.max(gate);
    Ok(Outcome::Done)
}

/// The next gate's command: writes the next gate's table.
#[cfg(planted)]
pub(super) fn mark(context: &Context<'_>, key: u8, change: &mut Change) -> Result<Outcome, Refusal> {
    if context.state.marks.contains_key(&key) {
        return Err(Refusal::NameTaken);
    }
    change.marks.push((key, context.index));
    change.counters.marks += 1;
    Ok(Outcome::Done)
}
