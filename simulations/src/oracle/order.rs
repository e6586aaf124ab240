//! Order: what one incarnation tells another is given in the order in which it was told.

use super::property::Oracle;
use crate::history::{Given, Kind};
use crate::trace::{Event, Seen};
use std::collections::BTreeMap;

/// A sender's stream, and one start of a receiver.
type Pair = (String, String, (u64, u64));

/// The property's memory.
#[derive(Default)]
pub struct Order {
    /// The highest number given.
    last: BTreeMap<Pair, u64>,
}

impl Oracle for Order {
    fn see(&mut self, seen: &Seen) -> Result<(), String> {
        let Event::Given(Given { key, kind: Kind::Tell, agent, life, .. }) = &seen.event else { return Ok(()) };
        let last = self.last.entry((key.stream.clone(), agent.clone(), *life)).or_default();
        if key.number > *last {
            *last = key.number;
            return Ok(());
        }
        Err(format!("order: {agent} {life:?} was given {key} after number {last} of that stream"))
    }
}
