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
