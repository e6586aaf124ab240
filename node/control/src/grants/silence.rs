//! How long each node has been silent, as far as this leader can tell.

use super::{DOWN_AFTER, GAP, QUIET_AFTER};
use std::collections::BTreeMap;
use std::time::Duration;
use symbi_model::NodeId;

/// When nodes were last heard, and since when the leader's own hearing is proved.
///
/// Invariant: nobody is silent from before `since`, the first of an unbroken chain of confirmed rounds. So a new leader's
/// clock starts with its first confirmed round, and a leader that slept or was cut off starts again.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence {
    /// When each node last asked, or first counted.
    heard: BTreeMap<NodeId, Duration>,
    /// The first confirmed round of the chain.
    since: Option<Duration>,
    /// The last confirmed round.
    confirmed: Option<Duration>,
}

impl Silence {
    /// A round was confirmed.
    pub(super) fn confirm(&mut self, now: Duration) {
        if !self.is_proved(now) {
            self.since = Some(now);
        }
        self.confirmed = Some(now);
    }

    /// The node spoke, or begins to count.
    pub(super) fn hear(&mut self, node: NodeId, now: Duration) {
        self.heard.insert(node, now);
    }

    /// The node begins to count, unless it counts already.
    pub(super) fn count(&mut self, node: NodeId, now: Duration) {
        self.heard.entry(node).or_insert(now);
    }

    /// The node counts no more.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.heard.remove(&node);
    }

    /// Nodes that have been silent long enough to be declared down.
    pub(super) fn dead(&self, now: Duration) -> Vec<NodeId> {
        self.longer_than(DOWN_AFTER, now)
    }

    /// Nodes on which nothing should be placed.
    pub(super) fn quiet(&self, now: Duration) -> Vec<NodeId> {
        self.longer_than(QUIET_AFTER, now)
    }

    fn longer_than(&self, bound: Duration, now: Duration) -> Vec<NodeId> {
        let Some(since) = self.since.filter(|_| self.is_proved(now)) else { return Vec::new() };
        let silent = self.heard.iter().filter(|(_, heard)| now.saturating_sub(since.max(**heard)) >= bound);
        silent.map(|(node, _)| *node).collect()
    }

    /// Whether the last confirmed round is recent enough to trust what was not heard.
    fn is_proved(&self, now: Duration) -> bool {
        self.confirmed.is_some_and(|confirmed| now.saturating_sub(confirmed) <= GAP)
    }
}
