//! Addressing: whatever a program is given was sent, to its agent, by whom it is told.

use super::property::Oracle;
use crate::history::{Given, Key, Sent};
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// The property's memory.
#[derive(Default)]
pub struct Addressed {
    /// What was sent.
    sent: BTreeMap<Key, Sent>,
}

impl Oracle for Addressed {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Sent(sent) => match self.sent.insert(sent.key.clone(), sent.clone()) {
                Some(_) => Err(format!("addressed: {} was sent twice by its sender", sent.key)),
                None => Ok(()),
            },
            Event::Given(Given { key, kind, from, agent, .. }) => match self.sent.get(key) {
                Some(sent) if (&sent.to, &sent.from, sent.kind) == (agent, from, *kind) => Ok(()),
                Some(sent) => Err(format!(
                    "addressed: {key}, sent by {} to {}, was given to {agent} as of {from}",
                    sent.from, sent.to
                )),
                None => Err(format!("addressed: {agent} was given {key}, which nobody has sent")),
            },
            _ => Ok(()),
        }
    }
}
