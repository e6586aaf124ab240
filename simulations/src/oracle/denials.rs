//! Denials: who is told that a policy did not allow a message was kept from sending it by one that forbids it, in force on
//! some node since the message was sent; or by a node that had not heard of a leader for too long to know.
//!
//! A crashed node has no policies in force until it runs again. A removed one that is started once more has those of its disk:
//! for what it sends itself, and nobody else's messages come to it.

use super::property::Oracle;
use crate::history::{Ban, How, Key};
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A message that has not ended.
struct Open {
    /// The host from which it was sent.
    from: String,
    /// To whom it goes.
    to: String,
    /// Whether policies that count for it have forbidden that since it was sent.
    banned: bool,
}

/// The property's memory.
#[derive(Default)]
pub struct Denials {
    /// What the policies forbid that are in force on each host.
    here: BTreeMap<String, Ban>,
    /// Who was removed.
    removed: BTreeSet<String>,
    /// What has not ended.
    open: BTreeMap<Key, Open>,
    /// What was denied without a reason, and when.
    baseless: BTreeMap<Key, (Open, Duration)>,
}

impl Denials {
    /// Whether the policies of `host`, which forbid what `ban` says, have to do with a message.
    fn forbids(removed: &BTreeSet<String>, (host, ban): (&String, &Ban), message: &Open) -> bool {
        ban.to == message.to && (*host == message.from || !removed.contains(host))
    }

    fn fault(&mut self, text: &str) {
        if let Some(host) = text.strip_prefix("crash ") {
            self.here.remove(host);
        }
        self.removed.extend(text.strip_prefix("removed ").map(str::to_owned));
    }
}

impl Oracle for Denials {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        // A node may judge by its new policies in the moment before it is seen to have them.
        if let Some((key, (Open { to, .. }, _))) = self.baseless.extract_if(.., |_, (_, at)| *at < seen.at).next() {
            return Err(format!("denials: {key} was denied, and no policies have forbidden to send to {to}"));
        }
        match &seen.event {
            Event::Policies { ban: None, .. } => {
                self.here.remove(&seen.host);
            }
            Event::Policies { ban: Some(ban), .. } => {
                self.here.insert(seen.host.clone(), ban.clone());
                let forbids = |message: &Open| Self::forbids(&self.removed, (&seen.host, ban), message);
                self.open.values_mut().filter(|message| forbids(message)).for_each(|message| message.banned = true);
                self.baseless.retain(|_, (message, _)| !forbids(message));
            }
            Event::Sent(sent) => {
                let mut message = Open { from: seen.host.clone(), to: sent.to.clone(), banned: false };
                message.banned = self.here.iter().any(|policies| Self::forbids(&self.removed, policies, &message));
                self.open.insert(sent.key.clone(), message);
            }
            Event::Ended { key, how, .. } => {
                if let (Some(message @ Open { banned: false, .. }), How::Denied { no_leader: false }) =
                    (self.open.remove(key), how)
                {
                    self.baseless.insert(key.clone(), (message, seen.at));
                }
            }
            Event::Fault(text) => self.fault(text),
            _ => {}
        }
        Ok(())
    }
}
