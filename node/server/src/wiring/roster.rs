//! The replicated nodes as the network's roster: who may talk, and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use symbi_model::node::Membership;
use symbi_model::state::Nodes;
use symbi_model::{NodeId, State};
use symbi_net::{Member, Roster};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The least time between two rosters: a busy log does not make the network look at its members for each entry.
const EVERY: Duration = Duration::from_millis(50);

/// The members and the removed nodes that a table of nodes says. Made anew only when the table has changed: it names every node
/// that there ever was.
#[derive(Default)]
struct Known {
    /// The table.
    table: Nodes,
    /// The members.
    members: BTreeMap<NodeId, Member>,
    /// The removed nodes.
    removed: Arc<BTreeSet<NodeId>>,
}

impl Known {
    /// Takes a state's table of nodes.
    fn take(&mut self, state: &State) {
        if self.table.ptr_eq(&state.nodes) {
            return;
        }
        self.table = state.nodes.clone();
        self.members.clear();
        let mut removed = BTreeSet::new();
        for (id, node) in &self.table {
            if node.membership == Membership::Removed {
                removed.insert(*id);
            } else {
                self.members.insert(*id, Member { addr: node.profile.addr });
            }
        }
        if removed != *self.removed {
            self.removed = Arc::new(removed);
        }
    }

    /// The roster, with those of `before`, known at index `known_at`, as long as the state has not come so far.
    fn roster(&self, applied: u64, before: &BTreeMap<NodeId, Member>, known_at: u64) -> Roster {
        let mut members = if applied < known_at { before.clone() } else { BTreeMap::new() };
        members.retain(|node, _| !self.removed.contains(node));
        members.extend(&self.members);
        Roster { members, removed: Arc::clone(&self.removed), own_index: applied.max(known_at) }
    }
}

/// Keeps the network's roster as the state says, until `cancel`.
pub async fn follow(
    mut state: watch::Receiver<State>,
    net: symbi_net::Handle,
    before: BTreeMap<NodeId, Member>,
    known_at: u64,
    cancel: CancellationToken,
) {
    let mut known = Known::default();
    loop {
        let applied = {
            let state = state.borrow_and_update();
            known.take(&state);
            state.counters.applied_index
        };
        net.set_roster(known.roster(applied, &before, known_at));
        let changed = async {
            tokio::time::sleep(EVERY).await;
            state.changed().await.is_ok()
        };
        if cancel.run_until_cancelled(changed).await != Some(true) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use symbi_model::agent::Resources;
    use symbi_model::node::{Liveness, Node, Profile};

    fn id(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    fn addr(number: u8) -> SocketAddr {
        ([127, 0, 0, 1], u16::from(number)).into()
    }

    fn set(state: &mut State, number: u8, membership: Membership) {
        let node = Node {
            name: format!("n{number}"),
            profile: Profile::plain(addr(number), vec![4; 65], Resources::default()),
            membership,
            liveness: Liveness::Up,
            token: None,
            enrolled_at: 1,
            enrolled_ms: 1,
        };
        state.nodes.insert(id(number), node);
    }

    #[test]
    fn a_roster_is_made_of_the_nodes_only_when_they_have_changed() {
        let (mut state, mut known, none) = (State::default(), Known::default(), BTreeMap::new());
        (1..=3).for_each(|number| set(&mut state, number, Membership::Member));
        set(&mut state, 3, Membership::Removed);
        known.take(&state);
        let first = known.roster(7, &none, 0);
        assert_eq!(first.members.keys().copied().collect::<Vec<_>>(), [id(1), id(2)]);
        assert_eq!((&*first.removed, first.own_index), (&BTreeSet::from([id(3)]), 7));

        // To tell that nothing is made anew, what is known is made something else.
        known.members.remove(&id(2));
        state.counters.applied_index = 8;
        known.take(&state);
        assert_eq!(known.roster(8, &none, 0).members.len(), 1, "the nodes are the same");

        set(&mut state, 2, Membership::Joining);
        known.take(&state);
        let third = known.roster(9, &none, 0);
        assert_eq!(third.members.len(), 2);
        assert!(Arc::ptr_eq(&first.removed, &third.removed), "nobody else was removed");

        set(&mut state, 2, Membership::Removed);
        known.take(&state);
        assert_eq!(*known.roster(10, &none, 0).removed, BTreeSet::from([id(2), id(3)]));
    }

    #[test]
    fn those_of_the_join_answer_count_until_the_state_has_come_so_far_unless_it_has_removed_them() {
        let (mut state, mut known) = (State::default(), Known::default());
        let before = (1..=3).map(|number| (id(number), Member { addr: addr(9) })).collect();
        set(&mut state, 1, Membership::Member);
        set(&mut state, 2, Membership::Removed);
        known.take(&state);
        let early = known.roster(4, &before, 5);
        let members = BTreeMap::from([(id(1), Member { addr: addr(1) }), (id(3), Member { addr: addr(9) })]);
        assert_eq!((early.members, early.own_index), (members, 5));
        assert_eq!(known.roster(5, &before, 5).members.keys().copied().collect::<Vec<_>>(), [id(1)]);
    }
}
