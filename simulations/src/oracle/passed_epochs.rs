//! The gate oracle: in simulated time, no effect passes a gate under an epoch after one of the same agent has passed under
//! a higher one.
//!
//! A frozen host is beyond it: its lease clock stood still, so its gates cannot know, and only sinks protect.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::Epoch;
use symbi_model::agent::AgentName;

/// The property's memory.
#[derive(Default)]
pub struct PassedEpochs {
    /// The highest epoch that has passed, and where, by agent.
    highest: BTreeMap<AgentName, (Epoch, String)>,
    /// Hosts that were frozen.
    frozen: BTreeSet<String>,
}

impl Oracle for PassedEpochs {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Fault(text) => {
                self.frozen.extend(text.strip_prefix("freeze ").map(str::to_owned));
                Ok(())
            }
            Event::Effect(symbi_host::Event::EffectPassed { agent, epoch, kind }) => {
                let (highest, host) = self.highest.entry(agent.clone()).or_insert_with(|| (*epoch, seen.host.clone()));
                if epoch >= highest {
                    (*highest, *host) = (*epoch, seen.host.clone());
                    return Ok(());
                }
                if self.frozen.contains(&seen.host) {
                    return Ok(());
                }
                let here = &seen.host;
                Err(format!("gate: {kind} of {agent} passed on {here} under epoch {epoch}, after {highest} on {host}"))
            }
            _ => Ok(()),
        }
    }
}
