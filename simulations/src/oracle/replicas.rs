//! State-machine safety: replicas that have applied the same index have the same state, at every index that any of them has
//! applied, shown or started from.

use super::property::Oracle;
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;
use symbi_model::Hash;

/// The property's memory.
#[derive(Default)]
pub struct Replicas {
    /// The state's hash and who had it first, by index.
    states: BTreeMap<u64, (Hash, String)>,
}

impl Oracle for Replicas {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let (Event::Applied { index, state } | Event::Published { index, state }) = &seen.event else { return Ok(()) };
        let (first, whose) = self.states.entry(*index).or_insert_with(|| (*state, seen.host.clone()));
        if first == state {
            return Ok(());
        }
        Err(format!("replicas: at index {index} {} has state {state}, and {whose} had {first}", seen.host))
    }
}
