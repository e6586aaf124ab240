//! Ledgers: whatever the cluster has agreed on of a node's ledger, that node still has after a crash.

use super::property::Oracle;
use crate::trace::{Event, Seen};

/// Without memory: each start compares what is on its disk with what is agreed on, and says so.
pub struct Ledgers;

impl Oracle for Ledgers {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        match &seen.event {
            Event::Effect(symbi_host::Event::LedgerLost { anchored, kept }) => {
                Err(format!("ledger: {} has {kept} lines, and {anchored} of them are anchored", seen.host))
            }
            _ => Ok(()),
        }
    }
}
