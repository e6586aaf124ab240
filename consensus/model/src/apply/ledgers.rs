//! Ledgers: anchored by one command for all nodes that have something new, with an answer for each.

use super::context::Context;
use crate::ledger::{ANCHORS, Anchor, Anchored};
use crate::names::Code;
use crate::node::Membership;
use crate::outcome::{Limit, Outcome, Refusal};
use crate::state::{Change, Cluster};

pub(super) fn anchor(context: &Context<'_>, anchors: &[Anchor], change: &mut Change) -> Result<Outcome, Refusal> {
    let cluster = context.state.cluster.as_ref().ok_or(Refusal::OriginNotMember)?;
    if anchors.is_empty() || anchors.len() > ANCHORS {
        return Err(Refusal::Limit { limit: Limit::Anchors, max: ANCHORS as u64 });
    }
    let (index, position) = (context.index, context.position);
    let time_ms = context.state.counters.log_time_ms;
    let mut answers = Vec::with_capacity(anchors.len());
    for anchor in anchors {
        let answer = answer(context, cluster, anchor, change);
        if answer == Code::DONE {
            change.ledgers.push((anchor.node, Anchored { anchor: *anchor, index, position, time_ms }));
        }
        answers.push(answer);
    }
    Ok(Outcome::Anchored { answers })
}

/// What becomes of one anchor, after those before it in its command. The signature comes last: it costs most.
fn answer(context: &Context<'_>, cluster: &Cluster, anchor: &Anchor, change: &Change) -> Code {
    let member = context.state.nodes.get(&anchor.node).map(|node| node.membership);
    let earlier = change.ledgers.iter().rev().find(|(node, _)| *node == anchor.node).map(|(_, anchored)| anchored);
    let before = earlier.or_else(|| context.state.ledgers.get(&anchor.node));
    if member != Some(Membership::Member) {
        Code::ORIGIN_NOT_MEMBER
    } else if anchor.generation != cluster.generation {
        Code::OTHER_GENERATION
    } else if anchor.entries <= before.map_or(0, |anchored| anchored.anchor.entries) {
        Code::STALE_ANCHOR
    } else if anchor.is_signed(cluster.id) {
        Code::DONE
    } else {
        Code::BAD_SIGNATURE
    }
}
