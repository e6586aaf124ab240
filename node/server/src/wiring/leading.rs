//! What the control crate needs to know of the group: whether this node leads, who votes, and how far learners are.

use std::collections::BTreeMap;
use symbi_control::reconcile::{Leadership, Replication};
use symbi_model::State;
use symbi_raft::{Role, Status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The two watches that follow the group's status.
pub struct Leading {
    /// Whether this node leads, and since which entry of its own term, once that is applied.
    pub leadership: watch::Receiver<Option<Leadership>>,
    /// Who replicates what.
    pub replication: watch::Receiver<Replication>,
}

/// The watches, and the future that keeps them until `cancel`.
pub fn follow(
    raft: &symbi_raft::Handle,
    cancel: CancellationToken,
) -> (Leading, impl Future<Output = ()> + Send + 'static) {
    let (leadership, leads) = watch::channel(None);
    let (replication, replicates) = watch::channel(Replication::default());
    let (mut status, mut state) = (raft.status(), raft.state());
    let keep = async move {
        loop {
            let now = status.borrow_and_update().clone();
            let applied = state.borrow_and_update().counters.applied_index;
            leadership.send_if_modified(|old| replace(old, leads_now(&now, applied)));
            replication.send_if_modified(|old| replace(old, replicates_now(&now)));
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                changed = status.changed() => if changed.is_err() { return },
                changed = applied_own_term(&mut state, &now) => if !changed { return },
            }
        }
    };
    (Leading { leadership: leads, replication: replicates }, keep)
}

/// Ends when the first entry of this leader's term is applied; never if that is so already, or if it does not lead.
async fn applied_own_term(state: &mut watch::Receiver<State>, now: &Status) -> bool {
    match now.first_index_of_term {
        Some(first) if now.role == Role::Leader && state.borrow().counters.applied_index < first => {
            state.wait_for(|state| state.counters.applied_index >= first).await.is_ok()
        }
        _ => std::future::pending().await,
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    if differs {
        *old = new;
    }
    differs
}

fn leads_now(status: &Status, applied: u64) -> Option<Leadership> {
    let first_index = status.first_index_of_term?;
    (status.role == Role::Leader && applied >= first_index).then_some(Leadership { term: status.term, first_index })
}

fn replicates_now(status: &Status) -> Replication {
    let learner = |id: &symbi_model::NodeId| (*id, status.replication.get(id).copied().unwrap_or(0));
    Replication {
        voters: status.voters.last().cloned().unwrap_or_default(),
        learners: status.learners.iter().map(learner).collect::<BTreeMap<_, _>>(),
        snapshots: status.snapshots.clone(),
        last_log: status.last_log,
        joint: status.voters.len() > 1,
    }
}
