//! Denials: who is told that a policy did not allow a message was kept from sending it by one that forbids it, in force on
//! some node since the message was sent; or by a node that had not heard of a leader for too long to know.

use super::Oracle;
use crate::history::{Ban, How, Key};
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;
use std::time::Duration;

/// The property's memory.
#[derive(Default)]
pub struct Denials {
    /// What each host's policies forbid.
    here: BTreeMap<String, Ban>,
    /// To whom each message goes that has not ended, and whether anybody's policies have forbidden that since it was sent.
    open: BTreeMap<Key, (String, bool)>,
    /// What was denied without a reason, to whom it was to go, and when.
    baseless: BTreeMap<Key, (String, Duration)>,
}

impl Oracle for Denials {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        // A node may judge by its new policies in the moment before it is seen to have them.
        if let Some((key, (to, _))) = self.baseless.extract_if(.., |_, (_, at)| *at < seen.at).next() {
            return Err(format!("denials: {key} was denied, and no policies have forbidden to send to {to}"));
        }
        match &seen.event {
            Event::Policies { ban: None, .. } => {
                self.here.remove(&seen.host);
            }
            Event::Policies { ban: Some(ban), .. } => {
                self.here.insert(seen.host.clone(), ban.clone());
                self.open.values_mut().filter(|(to, _)| *to == ban.to).for_each(|(_, banned)| *banned = true);
                self.baseless.retain(|_, (to, _)| *to != ban.to);
            }
            Event::Sent(sent) => {
                let banned = self.here.values().any(|ban| ban.to == sent.to);
                self.open.insert(sent.key.clone(), (sent.to.clone(), banned));
            }
            Event::Ended { key, how, .. } => {
                if let (Some((to, false)), How::Denied { deaf: false }) = (self.open.remove(key), how) {
                    self.baseless.insert(key.clone(), (to, seen.at));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
