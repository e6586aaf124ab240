//! Ledgers: whatever the cluster has agreed on of a node's ledger, that node still has after a crash; what a node takes for anchored,
//! its cluster has agreed on; and in calm the cluster agrees within seconds on what a ledger has.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// The property's memory. Of losses it needs none: each start compares what is on its disk with what is agreed on, and says so.
#[derive(Default)]
pub struct Ledgers {
    /// How many lines each host has taken for anchored, each time.
    taken: BTreeMap<String, BTreeSet<u64>>,
}

impl Oracle for Ledgers {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Effect(symbi_host::Event::LedgerLost { anchored, kept }) => {
                Err(format!("ledger: {} has {kept} lines, and {anchored} of them are anchored", seen.host))
            }
            Event::Effect(symbi_host::Event::LedgerAnchored { entries }) => {
                self.taken.entry(seen.host.clone()).or_default().insert(*entries);
                Ok(())
            }
            Event::Audited { unanchored: Some(lines), .. } => Err(format!(
                "ledger: {} has had {lines} lines for some time, and the cluster has not agreed on them",
                seen.host
            )),
            Event::Audited { anchors, .. } => {
                let skipped = self.taken.get(&seen.host).and_then(|taken| taken.difference(anchors).next());
                skipped.map_or(Ok(()), |entries| {
                    let host = &seen.host;
                    Err(format!(
                        "ledger: {host} takes {entries} lines for anchored, and the audit chain has no such anchor"
                    ))
                })
            }
            _ => Ok(()),
        }
    }
}
