//! Linearizability of what clients have read and written, key by key: judged at the end of a run, and as soon as something
//! else does not hold. An operation that has not returned may have taken effect at any time since its call, or never.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;
use symbi_history::{History, Ticket};

/// The property's memory.
#[derive(Default)]
pub struct Linearizable {
    /// What was called and has returned.
    history: History,
    /// What each client has under way.
    under_way: BTreeMap<String, Ticket>,
    /// Whether it was found not to hold.
    found: bool,
}

impl Oracle for Linearizable {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Called { client, key, writes } => {
                let ticket = match writes {
                    Some(value) => self.history.write(client, key, Some(value.clone()), seen.at),
                    None => self.history.read(client, key, seen.at),
                };
                // One that was given up stays open for good.
                self.under_way.insert(client.clone(), ticket);
            }
            Event::Saw { client, value } => {
                let ticket = self.returned(client)?;
                self.history.saw(&ticket, value.clone(), seen.at);
            }
            Event::Wrote { client } => {
                let ticket = self.returned(client)?;
                self.history.wrote(&ticket, seen.at);
            }
            Event::Wrong(_) => return self.judge(),
            Event::Fault(text) if text == "end" => return self.judge(),
            _ => {}
        }
        Ok(())
    }
}

impl Linearizable {
    fn returned(&mut self, client: &str) -> Result<Ticket, String> {
        self.under_way
            .remove(client)
            .ok_or_else(|| format!("linearizable: {client} has called nothing that could return"))
    }

    fn judge(&mut self) -> Result<(), String> {
        if self.found {
            return Ok(());
        }
        let judged = self.history.check();
        self.found = judged.is_err();
        judged.map(|_| ()).map_err(|error| format!("linearizable: {error}"))
    }
}
