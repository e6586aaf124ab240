//! Endings: what a sender is told of its message is true. An answer is the receiver's own, to this message; who is told that a
//! message was denied or not delivered will never find that its receiver had it. Of an unknown outcome nothing is asked.

use super::Oracle;
use crate::history::{Given, How, Key};
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// The property's memory.
#[derive(Default)]
pub struct Endings {
    /// What was given.
    given: BTreeSet<Key>,
    /// What its receiver made of it: a digest.
    answers: BTreeMap<Key, String>,
    /// How messages ended.
    ended: BTreeMap<Key, How>,
}

impl Oracle for Endings {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Given(Given { key, agent, .. }) => {
                self.given.insert(key.clone());
                match self.ended.get(key).filter(|how| says_never(how)) {
                    Some(how) => Err(format!("endings: {key} was given to {agent}, after it had ended as {how}")),
                    None => Ok(()),
                }
            }
            Event::Answers { key, digest } => {
                self.answers.insert(key.clone(), digest.clone());
                Ok(())
            }
            Event::Ended { key, how, .. } => self.end(key, how),
            _ => Ok(()),
        }
    }
}

impl Endings {
    fn end(&mut self, key: &Key, how: &How) -> Result<(), String> {
        if let Some(first) = self.ended.insert(key.clone(), how.clone()) {
            return Err(format!("endings: {key} ended twice, as {first} and as {how}"));
        }
        if says_never(how) && self.given.contains(key) {
            return Err(format!("endings: {key} ended as {how}, though it was given to its receiver"));
        }
        let How::Answered(digest) = how else { return Ok(()) };
        match self.answers.get(key) {
            Some(given) if given == digest => Ok(()),
            Some(given) => Err(format!("endings: {key} was answered with {given}, and its sender got {digest}")),
            None => Err(format!("endings: {key} ended as {how}, and nobody has answered it")),
        }
    }
}

/// Whether it says that the receiver was not given the message and will not be.
fn says_never(how: &How) -> bool {
    matches!(how, How::Denied | How::NotDelivered | How::TooLate { delivered: false })
}
