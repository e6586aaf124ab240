//! Removed nodes: from the moment in which a removal is agreed on, nothing of the removed node is accepted. It leads nobody, no
//! write of its clients is acknowledged, no effect of an agent passes its gates, and nobody is given what it sends.

use super::property::Oracle;
use crate::history::{Given, Key};
use crate::trace::{Event, Seen};
use std::collections::BTreeSet;

/// The property's memory.
#[derive(Default)]
pub struct Removed {
    /// Who was removed.
    hosts: BTreeSet<String>,
    /// What they have sent since.
    sent: BTreeSet<Key>,
}

impl Oracle for Removed {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let of_removed = self.hosts.contains(&seen.host);
        match &seen.event {
            Event::Fault(text) => {
                self.hosts.extend(text.strip_prefix("removed ").map(str::to_owned));
                Ok(())
            }
            Event::Sent(sent) if of_removed => {
                self.sent.insert(sent.key.clone());
                Ok(())
            }
            Event::Given(Given { key, agent, .. }) if self.sent.contains(key) => {
                Err(format!("removed: {agent} was given {key}, which a removed node has sent"))
            }
            Event::Role { role: symbi_raft::Role::Leader, .. }
            | Event::Acked { .. }
            | Event::Effect(symbi_host::Event::EffectPassed { .. })
            | Event::Given(_)
                if of_removed =>
            {
                Err(format!("removed: on {}, which was removed: {}", seen.host, seen.event))
            }
            _ => Ok(()),
        }
    }
}
