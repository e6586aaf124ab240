//! Who is who: the roster the node was given, and what each peer and each connection may do by it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use symbi_model::NodeId;

use crate::identity::peer_of;

/// Whom this node takes for members, as of one log index: its own table, or, until it has applied that far, the
/// roster of its join answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// The members, this node included or not.
    pub members: BTreeMap<NodeId, Member>,
    /// Nodes that were members and never will be again; their connections are closed at once. Shared from roster to roster while
    /// it stays the same, since it only grows.
    pub removed: Arc<BTreeSet<NodeId>>,
    /// The log index this roster reflects. It is what this node shows when a peer treats it as a stranger, and the
    /// index up to which a vouched peer is kept.
    pub own_index: u64,
}

/// A member of the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where it listens.
    pub addr: SocketAddr,
}

/// What a peer may do, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// The join protocol only.
    Stranger,
    /// And the Raft lanes: a member vouched for it.
    RaftOnly,
    /// Everything.
    Member,
}

/// The roster in libp2p's terms, with those vouched for, and the standing each connection was admitted with.
///
/// - A connection's standing is fixed when it is established; a change of the peer's closes it.
/// - Nobody is vouched for beyond the index the roster reflects.
/// - A node's peer is worked out once, however often a roster names the node: it costs microseconds, and a cluster that has
///   replaced thousands of nodes goes on naming them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The peers of all nodes that the last roster named; none for an id that is no point of the curve.
    peers: BTreeMap<NodeId, Option<PeerId>>,
    /// The nodes that were removed, as the last roster had them.
    removed_nodes: Arc<BTreeSet<NodeId>>,
    /// Addresses of the members, without this node.
    members: BTreeMap<PeerId, SocketAddr>,
    /// The removed nodes.
    removed: BTreeSet<PeerId>,
    /// Peers vouched for, until the roster reflects this index.
    vouched: BTreeMap<PeerId, u64>,
    /// The index the roster reflects.
    own_index: u64,
    /// The open connections.
    connections: BTreeMap<ConnectionId, Admitted>,
}

/// An open connection.
#[derive(Debug)]
struct Admitted {
    /// Whose.
    peer: PeerId,
    /// What it may do.
    standing: Standing,
    /// Whether it is being closed. That can take long if the peer no longer reads, and must not keep it from coming
    /// back on another connection.
    ending: bool,
}

/// The table as the actor and the behaviours share it. Locked for moments only, never across an await.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Table>>);

impl Shared {
    /// The table; a panic elsewhere does not poison it, since every mutation is one insertion or removal.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Table {
    /// Takes a new roster; vouchings it has caught up with end.
    pub(crate) fn set(&mut self, roster: &Roster, own: &PeerId) {
        let is_same = Arc::ptr_eq(&self.removed_nodes, &roster.removed);
        let mut known = std::mem::take(&mut self.peers);
        for node in roster.members.keys().chain(roster.removed.iter().filter(|_| !is_same)) {
            known.entry(*node).or_insert_with(|| peer_of(node));
        }
        if known.len() > roster.members.len() + roster.removed.len() {
            known.retain(|node, _| roster.members.contains_key(node) || roster.removed.contains(node));
        }
        let peer = |node: &NodeId| known.get(node).copied().flatten();
        let peers = |(node, member): (&NodeId, &Member)| Some((peer(node)?, member.addr));
        self.members = roster.members.iter().filter_map(peers).filter(|(peer, _)| peer != own).collect();
        if !is_same {
            self.removed = roster.removed.iter().filter_map(peer).collect();
            self.removed_nodes = Arc::clone(&roster.removed);
        }
        self.peers = known;
        self.own_index = roster.own_index;
        self.vouched.retain(|_, index| *index > roster.own_index);
        debug_assert!(self.vouched.values().all(|index| *index > self.own_index));
    }

    /// Takes a member's word for `peer`; false if the roster decides already.
    pub(crate) fn vouch(&mut self, peer: PeerId, index: u64) -> bool {
        if !self.may_be_vouched_for(&peer, index) {
            return false;
        }
        self.vouched.insert(peer, index);
        true
    }

    /// Whether a vouching of `peer` at `index` would say more than the roster does.
    pub(crate) fn may_be_vouched_for(&self, peer: &PeerId, index: u64) -> bool {
        index > self.own_index && !self.removed.contains(peer) && !self.members.contains_key(peer)
    }

    /// What a new connection of `peer` may do.
    pub(crate) fn standing(&self, peer: &PeerId) -> Standing {
        if self.removed.contains(peer) {
            Standing::Stranger
        } else if self.members.contains_key(peer) {
            Standing::Member
        } else if self.vouched.contains_key(peer) {
            Standing::RaftOnly
        } else {
            Standing::Stranger
        }
    }

    /// Whether `peer` was a member once.
    pub(crate) fn is_removed(&self, peer: &PeerId) -> bool {
        self.removed.contains(peer)
    }

    /// The members and their addresses, without this node.
    pub(crate) fn members(&self) -> &BTreeMap<PeerId, SocketAddr> {
        &self.members
    }

    /// The index the roster reflects.
    pub(crate) fn own_index(&self) -> u64 {
        self.own_index
    }

    /// Fixes the standing of a new connection.
    pub(crate) fn admit(&mut self, connection: ConnectionId, peer: &PeerId) -> Standing {
        let standing = self.standing(peer);
        self.connections.insert(connection, Admitted { peer: *peer, standing, ending: false });
        standing
    }

    /// The standing a connection was admitted with.
    pub(crate) fn admitted(&self, connection: ConnectionId) -> Standing {
        self.connections.get(&connection).map_or(Standing::Stranger, |admitted| admitted.standing)
    }

    /// How many connections `peer` has, but for those being closed.
    pub(crate) fn count(&self, peer: &PeerId) -> usize {
        self.connections.values().filter(|admitted| admitted.peer == *peer && !admitted.ending).count()
    }

    /// Notes that a connection is being closed.
    pub(crate) fn end(&mut self, connection: ConnectionId) {
        if let Some(admitted) = self.connections.get_mut(&connection) {
            admitted.ending = true;
        }
    }

    /// Forgets a connection that ended.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn node(seed: u8) -> (NodeId, PeerId) {
        let node = Identity::from_seed([seed; 32]).node();
        (node, peer_of(&node).unwrap())
    }

    fn roster(members: &[NodeId], removed: &[NodeId], own_index: u64) -> Roster {
        let member = Member { addr: ([127, 0, 0, 1], 1).into() };
        Roster {
            members: members.iter().map(|node| (*node, member)).collect(),
            removed: Arc::new(removed.iter().copied().collect()),
            own_index,
        }
    }

    #[test]
    fn a_vouching_ends_with_the_index_it_was_for() {
        let ((own, own_peer), (other, peer)) = (node(1), node(2));
        let mut table = Table::default();
        table.set(&roster(&[own], &[], 10), &own_peer);
        assert!(!table.vouch(peer, 10), "the roster decides up to its own index");
        assert!(table.vouch(peer, 12));
        table.set(&roster(&[own], &[], 11), &own_peer);
        assert_eq!(table.standing(&peer), Standing::RaftOnly);
        table.set(&roster(&[own], &[], 12), &own_peer);
        assert_eq!(table.standing(&peer), Standing::Stranger);
        table.set(&roster(&[own, other], &[], 13), &own_peer);
        assert_eq!(table.standing(&peer), Standing::Member);
    }

    #[test]
    fn a_removed_node_is_a_stranger_whoever_vouches() {
        let ((own, own_peer), (other, peer)) = (node(1), node(2));
        let mut table = Table::default();
        table.set(&roster(&[own, other], &[other], 10), &own_peer);
        assert_eq!(table.standing(&peer), Standing::Stranger);
        assert!(!table.vouch(peer, 99));
    }

    #[test]
    fn a_node_that_is_no_longer_named_is_forgotten() {
        let ((own, own_peer), (other, peer), (third, _)) = (node(1), node(2), node(3));
        let mut table = Table::default();
        table.set(&roster(&[own, other], &[], 1), &own_peer);
        table.set(&roster(&[own, third], &[other], 2), &own_peer);
        assert!(table.is_removed(&peer));
        table.set(&roster(&[own, third], &[], 3), &own_peer);
        assert!(!table.is_removed(&peer));
        assert_eq!(table.peers.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([own, third]));
    }

    /// To tell that nothing was worked out anew, the table is told other peers in between.
    #[test]
    fn a_node_that_is_named_again_is_not_worked_out_again() {
        let ((own, own_peer), (member, _), (removed, removed_peer), (_, told)) = (node(1), node(2), node(3), node(4));
        let mut table = Table::default();
        let first = roster(&[own, member], &[removed], 1);
        table.set(&first, &own_peer);
        for peer in table.peers.values_mut() {
            *peer = Some(told);
        }
        table.set(&Roster { own_index: 2, ..first }, &own_peer);
        assert_eq!(table.members().keys().collect::<Vec<_>>(), [&told]);
        assert!(table.is_removed(&removed_peer), "the removed are the same, and are not looked at");
        table.set(&roster(&[own, member], &[removed], 3), &own_peer);
        assert!(table.is_removed(&told), "another set of them is looked at, though not worked out");
    }

    #[test]
    fn a_node_is_not_its_own_peer() {
        let (own, own_peer) = node(1);
        let mut table = Table::default();
        table.set(&roster(&[own], &[], 1), &own_peer);
        assert!(table.members().is_empty());
    }
}
