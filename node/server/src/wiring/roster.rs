//! The replicated nodes as the network's roster: who may talk, and where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use symbi_model::node::Membership;
use symbi_model::{NodeId, State};
use symbi_net::{Member, Roster};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The least time between two rosters: a busy log does not make the network look at its members for each entry.
const EVERY: Duration = Duration::from_millis(50);

/// The roster that a state says, with those of `before`, known at index `known_at`, as long as the state has not come so far.
#[must_use]
pub fn of(state: &State, before: &BTreeMap<NodeId, Member>, known_at: u64) -> Roster {
    let mut members = BTreeMap::new();
    let mut removed = BTreeSet::new();
    if state.counters.applied_index < known_at {
        members.clone_from(before);
    }
    for (id, node) in &state.nodes {
        if node.membership == Membership::Removed {
            removed.insert(*id);
            members.remove(id);
        } else {
            members.insert(*id, Member { addr: node.profile.addr });
        }
    }
    Roster { members, removed, own_index: state.counters.applied_index.max(known_at) }
}

/// Keeps the network's roster as the state says, until `cancel`.
pub async fn follow(
    mut state: watch::Receiver<State>,
    net: symbi_net::Handle,
    before: BTreeMap<NodeId, Member>,
    known_at: u64,
    cancel: CancellationToken,
) {
    loop {
        net.set_roster(of(&state.borrow_and_update(), &before, known_at));
        let changed = async {
            tokio::time::sleep(EVERY).await;
            state.changed().await.is_ok()
        };
        if cancel.run_until_cancelled(changed).await != Some(true) {
            return;
        }
    }
}
