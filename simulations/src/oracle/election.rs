//! Election safety: at most one leader in a term (Ongaro & Ousterhout, In Search of an Understandable Consensus Algorithm,
//! figure 3).

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// The property's memory.
#[derive(Default)]
pub struct Election {
    /// Who led, by term.
    leaders: BTreeMap<u64, String>,
}

impl Oracle for Election {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let Event::Role { term, role: symbi_raft::Role::Leader, .. } = &seen.event else { return Ok(()) };
        let first = self.leaders.entry(*term).or_insert_with(|| seen.host.clone());
        if *first == seen.host {
            return Ok(());
        }
        Err(format!("two leaders in term {term}: {first} and {}", seen.host))
    }
}
