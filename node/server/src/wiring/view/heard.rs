//! What nodes said of themselves by gossip, as far as it is theirs to say.
//!
//! Invariants:
//! - a view kept is its node's own: that node wrote the frame and signed the view;
//! - the sequence of what is kept of a node only rises;
//! - what is kept may be true: no machine uses more than it has.

use std::collections::BTreeMap;
use std::fmt;
use symbi_model::{ClusterId, NodeId};
use symbi_proto::wire::View;
use tokio::time::Instant;

/// The last view of each node, and how many were refused.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The last view of each node, and when it came.
    last: BTreeMap<NodeId, (View, Instant)>,
    /// How many frames of each member were refused.
    refused: BTreeMap<NodeId, u64>,
}

/// Why a member's view is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no view of this cluster that the node it names has signed.
    NotSigned,
    /// It is about another node than its author.
    Foreign,
    /// It is older than one that was heard before.
    Old,
    /// It cannot be true.
    Implausible(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSigned => formatter.write_str("the node that it names has not signed it"),
            Self::Foreign => formatter.write_str("it is about another node"),
            Self::Old => formatter.write_str("it is older than one before it"),
            Self::Implausible(what) => write!(formatter, "{what} cannot be as it says"),
        }
    }
}

impl Heard {
    /// Takes what `author` wrote, a member; counts it if it is refused.
    pub(super) fn hear(
        &mut self,
        cluster: ClusterId,
        author: NodeId,
        body: &[u8],
        now: Instant,
    ) -> Result<&View, Refused> {
        let taken = self.judge(cluster, author, body);
        match taken {
            Ok(view) => Ok(self.keep(view, now)),
            Err(refused) => {
                *self.refused.entry(author).or_default() += 1;
                Err(refused)
            }
        }
    }

    /// Keeps a view that is not to be judged: this node's own.
    pub(super) fn keep(&mut self, view: View, now: Instant) -> &View {
        let node = view.node;
        debug_assert!(self.last.get(&node).is_none_or(|(last, _)| last.sequence < view.sequence));
        let (view, _) = self.last.entry(node).insert_entry((view, now)).into_mut();
        view
    }

    /// The last view of each node.
    pub(super) fn last(&self) -> impl Iterator<Item = (&View, Instant)> {
        self.last.values().map(|(view, at)| (view, *at))
    }

    /// How many frames of each member were refused.
    pub(super) fn refused(&self) -> &BTreeMap<NodeId, u64> {
        &self.refused
    }

    fn judge(&self, cluster: ClusterId, author: NodeId, body: &[u8]) -> Result<View, Refused> {
        let view = View::open(cluster, body).map_err(|_| Refused::NotSigned)?;
        if view.node != author {
            return Err(Refused::Foreign);
        }
        if self.last.get(&author).is_some_and(|(last, _)| view.sequence <= last.sequence) {
            return Err(Refused::Old);
        }
        view.implausible().map_or(Ok(view), |what| Err(Refused::Implausible(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use symbi_proto::wire::Usage;
    use uuid::Uuid;

    const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(1));

    fn key(number: u8) -> SigningKey {
        SigningKey::from_bytes(&[number; 32])
    }

    fn node(number: u8) -> NodeId {
        NodeId(key(number).verifying_key().to_bytes())
    }

    fn view(number: u8, sequence: u64) -> View {
        View {
            node: node(number),
            sequence,
            wall_ms: 1,
            applied_index: 1,
            version: "0.1.0".to_owned(),
            agents: 0,
            usage: Usage { memory_used_mb: 1, memory_total_mb: 2, ..Usage::default() },
            tiers: Default::default(),
        }
    }

    #[test]
    fn a_peer_says_things_of_itself_only_and_is_named_and_counted_when_it_does_not() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let mut hear = |author: u8, signer: u8, view: View| {
            heard.hear(CLUSTER, node(author), &view.sign(CLUSTER, &key(signer)), now).map(|view| view.sequence)
        };
        assert_eq!(hear(2, 2, view(2, 5)), Ok(5));
        assert_eq!(hear(3, 3, view(2, 6)), Err(Refused::NotSigned), "another's name under its own key");
        assert_eq!(hear(3, 2, view(2, 6)), Err(Refused::Foreign), "another's view, passed off as news of its own");
        assert_eq!(hear(3, 3, view(3, 1)), Ok(1), "what it says of itself is heard all the same");
        let refused = heard.refused().clone();
        assert_eq!(refused, BTreeMap::from([(node(3), 2)]));
        let last: Vec<u64> = heard.last().map(|(view, _)| view.sequence).collect();
        assert_eq!(last.len(), 2);
        let garbage = heard.hear(CLUSTER, node(3), b"no view", now).map(drop);
        assert_eq!(garbage, Err(Refused::NotSigned));
        let foreign = view(2, 9).sign(ClusterId(Uuid::from_u128(2)), &key(2));
        assert_eq!(heard.hear(CLUSTER, node(2), &foreign, now).map(drop), Err(Refused::NotSigned));
    }

    #[test]
    fn an_old_view_is_refused_however_long_its_node_was_silent() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let later = now + std::time::Duration::from_secs(3_600);
        let mut hear = |sequence: u64, at: Instant| {
            heard.hear(CLUSTER, node(2), &view(2, sequence).sign(CLUSTER, &key(2)), at).map(drop)
        };
        assert_eq!(hear((1 << 32) + 7, now), Ok(()));
        assert_eq!(hear((1 << 32) + 7, later), Err(Refused::Old));
        assert_eq!(hear((1 << 32) + 6, later), Err(Refused::Old));
        assert_eq!(hear((2 << 32) + 1, later), Ok(()), "a node that was started again counts on from its boot");
    }

    #[test]
    fn a_machine_that_uses_more_than_it_has_is_not_believed() {
        let mut heard = Heard::default();
        let mut lie = view(2, 1);
        lie.usage.memory_used_mb = 3;
        let refused = heard.hear(CLUSTER, node(2), &lie.sign(CLUSTER, &key(2)), Instant::now()).map(drop);
        assert_eq!(refused, Err(Refused::Implausible("its memory")));
        assert_eq!(heard.refused()[&node(2)], 1);
    }
}
