//! Anchors: what nodes say of their ledgers with their requests for grants, and when the cluster is to agree on it. Pure.
//!
//! One command a second has the newest word of every node that has something new; where nobody has, there is none. With more than
//! [`A_SECOND`] nodes it comes less often: anchors are in the audit for ever, and each vouches for all before it. What is lost with a
//! leader is said again to the next one.

use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::ledger::{ANCHORS, Anchor};
use symbi_model::node::Membership;
use symbi_model::planted::{self, Defect};
use symbi_model::{NodeId, State};

/// The least time between two commands.
const EVERY: Duration = Duration::from_secs(1);

/// So many anchors at most in a second, in the long run.
const A_SECOND: u32 = 6;

/// What a leader has heard of ledgers in its term.
///
/// Invariants:
/// - of each node there is one anchor at most, which it has signed: the newest;
/// - at most one command is on its way.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// What each node has said last.
    heard: BTreeMap<NodeId, Anchor>,
    /// A command is on its way.
    under_way: bool,
    /// No command before this.
    next: Duration,
}

impl Anchors {
    /// Takes what a node says of its ledger, unless it is another node's, not signed, or older than what the node has said before. So
    /// nobody gets into the log what `apply` would refuse.
    pub(super) fn hear(&mut self, node: NodeId, anchor: Anchor, state: &State) {
        let is_newer = self.heard.get(&node).is_none_or(|heard| heard.entries < anchor.entries);
        let is_signed = || state.cluster.as_ref().is_some_and(|cluster| anchor.is_signed(cluster.id));
        let is_skipped = planted::active(Defect::AnchorSkipped) && state.nodes.keys().next_back() == Some(&node);
        if anchor.node != node || !is_new(&anchor, state) || !is_newer || is_skipped {
            return;
        }
        if is_signed() {
            self.heard.insert(node, anchor);
        } else {
            tracing::warn!(node = %node.short(), "a node says of its ledger what it has not signed");
        }
    }

    /// The anchors to propose now, those first that were agreed on longest ago.
    pub(super) fn plan(&mut self, state: &State, now: Duration) -> Vec<Anchor> {
        if self.under_way || now < self.next {
            return Vec::new();
        }
        self.heard.retain(|_, anchor| is_new(anchor, state));
        let mut anchors: Vec<Anchor> = self.heard.values().copied().collect();
        anchors.sort_by_key(|anchor| state.ledgers.get(&anchor.node).map_or(0, |anchored| anchored.index));
        anchors.truncate(ANCHORS);
        if !anchors.is_empty() {
            let count = u32::try_from(anchors.len()).unwrap_or(u32::MAX);
            (self.under_way, self.next) = (true, now + EVERY.max(EVERY.saturating_mul(count) / A_SECOND));
        }
        anchors
    }

    /// The command on its way has ended. What it did is in the state; what it did not is proposed again.
    pub(super) fn ended(&mut self) {
        self.under_way = false;
    }
}

/// Whether the state would take it.
fn is_new(anchor: &Anchor, state: &State) -> bool {
    let is_member = state.nodes.get(&anchor.node).is_some_and(|node| node.membership == Membership::Member);
    let generation = state.cluster.as_ref().map(|cluster| cluster.generation);
    let known = state.ledgers.get(&anchor.node).map_or(0, |anchored| anchored.anchor.entries);
    is_member && generation == Some(anchor.generation) && anchor.entries > known
}

#[cfg(test)]
mod tests;
