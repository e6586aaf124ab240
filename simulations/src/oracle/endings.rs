//! Endings: what a sender is told of its message is true. An answer is the receiver's own, to this message. Who is told that a
//! message was denied, was not delivered or was not delivered in time will never find that its receiver had it; who is told
//! that it was delivered and not answered in time can count on its receiver having it in the same moment, if not before. And
//! nobody is told that the time is up before it is.
//!
//! Of an unknown outcome [`super::unknown`] judges, of messages without an ending [`super::untold`].

use super::property::Oracle;
use crate::history::{Given, How, Key};
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The property's memory.
#[derive(Default)]
pub struct Endings {
    /// What was given.
    given: BTreeSet<Key>,
    /// What its receiver made of it: a digest.
    answers: BTreeMap<Key, String>,
    /// How messages ended.
    ended: BTreeMap<Key, How>,
    /// When the time of messages that have not ended is up.
    deadlines: BTreeMap<Key, Duration>,
    /// What was called delivered and is not given yet, and since when.
    promised: BTreeMap<Key, Duration>,
}

impl Oracle for Endings {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        self.keep_promises(seen.at)?;
        match &seen.event {
            Event::Sent(sent) => {
                self.deadlines.extend(sent.within.map(|within| (sent.key.clone(), seen.at + within)));
                Ok(())
            }
            Event::Given(Given { key, agent, .. }) => {
                self.given.insert(key.clone());
                self.promised.remove(key);
                match self.ended.get(key).filter(|how| says_never(how)) {
                    Some(how) => Err(format!("endings: {key} was given to {agent}, after it had ended as {how}")),
                    None => Ok(()),
                }
            }
            Event::Answers { key, digest } => {
                self.answers.insert(key.clone(), digest.clone());
                Ok(())
            }
            Event::Ended { key, how, .. } => self.end(key, how, seen.at),
            _ => Ok(()),
        }
    }
}

impl Endings {
    fn end(&mut self, key: &Key, how: &How, at: Duration) -> Result<(), String> {
        if let Some(first) = self.ended.insert(key.clone(), how.clone()) {
            return Err(format!("endings: {key} ended twice, as {first} and as {how}"));
        }
        let deadline = self.deadlines.remove(key).filter(|deadline| at < *deadline);
        let given = self.given.contains(key);
        match how {
            How::TooLate { .. } if deadline.is_some() => {
                Err(format!("endings: {key} ended as {how} before its time was up"))
            }
            how if says_never(how) && given => {
                Err(format!("endings: {key} ended as {how}, though it was given to its receiver"))
            }
            How::TooLate { delivered: true } if !given => {
                self.promised.insert(key.clone(), at);
                Ok(())
            }
            How::Answered(digest) => match self.answers.get(key) {
                Some(given) if given == digest => Ok(()),
                Some(given) => Err(format!("endings: {key} was answered with {given}, and its sender got {digest}")),
                None => Err(format!("endings: {key} ended as {how}, and nobody has answered it")),
            },
            _ => Ok(()),
        }
    }

    /// What was called delivered in an earlier moment than `now` must have been given by now. A host does in one moment of
    /// simulated time whatever it can, and this sees it in any order.
    fn keep_promises(&mut self, now: Duration) -> Result<(), String> {
        let broken = self.promised.extract_if(.., |_, at| *at < now).next();
        broken.map_or(Ok(()), |(key, _)| {
            Err(format!(
                "endings: {key} ended as {}, and was not given to its receiver",
                How::TooLate { delivered: true }
            ))
        })
    }
}

/// Whether it says that the receiver was not given the message and will not be.
fn says_never(how: &How) -> bool {
    matches!(how, How::Denied { .. } | How::NotDelivered | How::TooLate { delivered: false })
}
