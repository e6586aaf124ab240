//! Ledgers: anchored by their nodes.

use super::context::Context;
use crate::ids::NodeId;
use crate::ledger::{Anchor, Anchored};
use crate::outcome::{Outcome, Refusal};
use crate::state::Change;

pub(super) fn anchor(
    context: &Context<'_>,
    node: NodeId,
    anchor: &Anchor,
    change: &mut Change,
) -> Result<Outcome, Refusal> {
    let before = context.state.ledgers.get(&node).map_or(0, |anchored| anchored.anchor.entries);
    if anchor.entries <= before {
        return Err(Refusal::StaleAnchor);
    }
    let time_ms = context.state.counters.log_time_ms;
    change.ledgers.push((node, Anchored { anchor: *anchor, index: context.index, time_ms }));
    Ok(Outcome::Done)
}
