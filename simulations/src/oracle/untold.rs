//! Untold: whoever sends from a node that lives is told how its message ended, before the run is over.
//!
//! Judged of what the node's own clients send; an agent that is ended meanwhile, because it was placed elsewhere, is told
//! nothing any more.

use super::property::Oracle;
use crate::history::Key;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// The property's memory.
#[derive(Default)]
pub struct Untold {
    /// What has not ended, and which host has sent it.
    open: BTreeMap<Key, String>,
}

impl Oracle for Untold {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Sent(sent) if sent.key.is_of_host(&seen.host) => {
                self.open.insert(sent.key.clone(), seen.host.clone());
            }
            Event::Ended { key, .. } => {
                self.open.remove(key);
            }
            Event::Fault(text) if text == "end" => {
                if let Some((key, host)) = self.open.first_key_value() {
                    let count = self.open.len();
                    return Err(format!("untold: {key} of {host} and {} more have not ended", count - 1));
                }
            }
            Event::Fault(text) => {
                if let Some(crashed) = text.strip_prefix("crash ") {
                    self.open.retain(|_, host| host != crashed);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
