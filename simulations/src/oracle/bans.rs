//! Policies in force: a message is given to nobody whom, when it was sent, its sender's node knew the policies to forbid, or
//! for whose receiving the receiver's node did.

use super::property::Oracle;
use crate::history::{Ban, Given, Key};
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// The property's memory.
#[derive(Default)]
pub struct Bans {
    /// What each host's policies forbid.
    here: BTreeMap<String, Ban>,
    /// Messages that were forbidden to send when they were sent.
    forbidden: BTreeSet<Key>,
    /// Hosts that were forbidden to take a message in when it was sent.
    shut: BTreeMap<Key, BTreeSet<String>>,
}

impl Oracle for Bans {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Policies { ban: Some(ban), .. } => {
                self.here.insert(seen.host.clone(), ban.clone());
                Ok(())
            }
            Event::Policies { ban: None, .. } => {
                // What was on its way may be given now.
                self.here.remove(&seen.host);
                self.shut.values_mut().for_each(|hosts| {
                    hosts.remove(&seen.host);
                });
                Ok(())
            }
            Event::Sent(sent) => {
                if sent.forbidden {
                    self.forbidden.insert(sent.key.clone());
                }
                let shut = |ban: &Ban| ban.at_receiver && ban.to == sent.to;
                let shut: BTreeSet<String> =
                    self.here.iter().filter(|(_, ban)| shut(ban)).map(|(host, _)| host.clone()).collect();
                if !shut.is_empty() {
                    self.shut.insert(sent.key.clone(), shut);
                }
                Ok(())
            }
            Event::Given(Given { key, agent, .. }) if self.forbidden.contains(key) => {
                Err(format!("bans: {key} was given to {agent}, to whom its node's policies forbade to send it"))
            }
            Event::Given(Given { key, agent, .. }) => {
                match self.shut.get(key).is_some_and(|it| it.contains(&seen.host)) {
                    true => {
                        Err(format!("bans: {key} was given to {agent}, whose node's policies forbade it to receive"))
                    }
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
