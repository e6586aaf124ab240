//! Objects to whatever a client or a host has called wrong: an answer to another question, a replica that stopped.

use super::property::Oracle;
use crate::trace::{Event, Seen};

/// Without memory.
pub struct Wrong;

impl Oracle for Wrong {
    fn outlasts(&self) -> bool {
        true
    }

    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Wrong(what) => Err(format!("{}: {what}", seen.host)),
            _ => Ok(()),
        }
    }
}
