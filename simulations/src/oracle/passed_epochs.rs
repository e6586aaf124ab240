//! The gate oracle: in simulated time, no effect passes a gate under an epoch after one of the same agent has passed under
//! a higher one.
//!
//! A frozen host is beyond it: its lease clock stands still, so its gates cannot know, and only sinks protect. From its thaw on
//! that clock runs again: a grant that it had is over [`RUNS_OUT_AFTER`] that, and the host is judged as all others are.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::Epoch;
use symbi_model::agent::AgentName;

/// How long after its thaw a grant of a host that was frozen may last: 6 s by its own clock, the slowest of which loses a fifth.
pub const RUNS_OUT_AFTER: Duration = Duration::from_millis(7_500);

/// The property's memory.
#[derive(Default)]
pub struct PassedEpochs {
    /// The highest epoch that has passed, and where, by agent.
    highest: BTreeMap<AgentName, (Epoch, String)>,
    /// Hosts that are or were frozen, and from when on they are judged again, once that is known.
    frozen: BTreeMap<String, Option<Duration>>,
}

impl Oracle for PassedEpochs {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Fault(text) => {
                self.frozen.extend(text.strip_prefix("freeze ").map(|host| (host.to_owned(), None)));
                let thawed = text.strip_prefix("thaw ").map(|host| (host.to_owned(), Some(seen.at + RUNS_OUT_AFTER)));
                self.frozen.extend(thawed);
                // Its gates are of another start.
                if let Some(host) = text.strip_prefix("crash ") {
                    self.frozen.remove(host);
                }
                Ok(())
            }
            Event::Effect(symbi_host::Event::EffectPassed { agent, epoch, kind }) => {
                let (highest, host) = self.highest.entry(agent.clone()).or_insert_with(|| (*epoch, seen.host.clone()));
                if epoch >= highest {
                    (*highest, *host) = (*epoch, seen.host.clone());
                    return Ok(());
                }
                if self.frozen.get(&seen.host).is_some_and(|judged| judged.is_none_or(|judged| seen.at < judged)) {
                    return Ok(());
                }
                let here = &seen.host;
                Err(format!("gate: {kind} of {agent} passed on {here} under epoch {epoch}, after {highest} on {host}"))
            }
            _ => Ok(()),
        }
    }
}
