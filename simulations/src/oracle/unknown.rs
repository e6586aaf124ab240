//! Unknown outcomes: who is told that nobody knows could not have been told better. A message of unknown outcome may have been
//! processed, and no answer to it will come. So it is none:
//!
//! - that the sender's own policies forbid: it never left, and was denied;
//! - to an agent of the sender's own node that was not given it: nothing was between the two that could have lost it;
//! - that was sent and ended in calm, while nothing was wrong with the world: then its receiver, or the receiver's node,
//!   says what became of it.

use super::property::Oracle;
use crate::history::{Given, How, Key};
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// The property's memory.
#[derive(Default)]
pub struct Unknown {
    /// What was given.
    given: BTreeSet<Key>,
    /// Why messages that have not ended cannot become unknown as things stand, if there is a reason.
    sent: BTreeMap<Key, Reasons>,
    /// Whether nothing is wrong.
    calm: bool,
}

/// What keeps a message from being one of which nobody knows.
struct Reasons {
    /// Its sender's node knew that it was forbidden.
    forbidden: bool,
    /// It goes to an agent of its sender's node.
    here: bool,
    /// Nothing has been wrong since it was sent.
    calm: bool,
}

impl Oracle for Unknown {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Calm => self.calm = true,
            Event::Fault(_) => {
                self.calm = false;
                self.sent.values_mut().for_each(|reasons| reasons.calm = false);
            }
            Event::Sent(sent) => {
                let reasons = Reasons { forbidden: sent.forbidden, here: sent.here, calm: self.calm };
                self.sent.insert(sent.key.clone(), reasons);
            }
            Event::Given(Given { key, .. }) => {
                self.given.insert(key.clone());
            }
            Event::Ended { key, how, .. } => return self.end(key, how),
            _ => {}
        }
        Ok(())
    }
}

impl Unknown {
    fn end(&mut self, key: &Key, how: &How) -> Result<(), String> {
        let reasons = self.sent.remove(key);
        let (How::Unknown, Some(reasons)) = (how, reasons) else { return Ok(()) };
        let better = match reasons {
            Reasons { forbidden: true, .. } => "its sender's node knew that it was forbidden",
            Reasons { here: true, .. } if !self.given.contains(key) => {
                "its receiver, on the same node, was not given it"
            }
            Reasons { calm: true, .. } => "nothing was wrong all the while",
            _ => return Ok(()),
        };
        Err(format!("unknown: {key} ended as {how}, though {better}"))
    }
}
