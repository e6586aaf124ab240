//! At most once: no message is given twice, to one start of its receiver or to two.

use super::property::Oracle;
use crate::history::{Given, Key};
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// The property's memory.
#[derive(Default)]
pub struct Once {
    /// To which start of whom each message was given.
    given: BTreeMap<Key, (u64, u64)>,
}

impl Oracle for Once {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let Event::Given(Given { key, agent, life, .. }) = &seen.event else { return Ok(()) };
        match self.given.insert(key.clone(), *life) {
            None => Ok(()),
            Some(first) => Err(format!("once: {key} was given to {agent} {first:?} and again to {life:?}")),
        }
    }
}
