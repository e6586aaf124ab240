//! The sink oracle: no node accepts an effect of an agent under an epoch below the highest that it has accepted.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;
use symbi_model::Epoch;
use symbi_model::agent::AgentName;

/// The property's memory.
#[derive(Default)]
pub struct AcceptedEpochs {
    /// The highest epoch accepted, by host and agent. A crash does not make a host forget it here.
    highest: BTreeMap<(String, AgentName), Epoch>,
}

impl Oracle for AcceptedEpochs {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let Event::Effect(symbi_host::Event::SinkAccepted { agent, epoch }) = &seen.event else { return Ok(()) };
        let highest = self.highest.entry((seen.host.clone(), agent.clone())).or_insert(*epoch);
        if epoch >= highest {
            *highest = *epoch;
            return Ok(());
        }
        Err(format!("sink: {} accepted an effect of {agent} under epoch {epoch}, after {highest}", seen.host))
    }
}
