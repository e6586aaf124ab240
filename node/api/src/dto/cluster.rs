//! The cluster and its nodes, as `cluster status` and `node ls` show them.

use crate::ports::View;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use symbi_model::node::{Liveness, Membership, Node};
use symbi_model::{NodeId, State};

/// A node that was not heard for so long is suspect.
const SUSPECT_AFTER: Duration = Duration::from_secs(2);
/// A leader of which nothing was heard for so long is one no more: until there is another, the log still names it.
const LEADERLESS_AFTER: Duration = Duration::from_secs(5);

/// What `cluster status -o json` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Which cluster.
    pub cluster: Identity,
    /// The leader's name, or null when none was heard for 5 s.
    pub leader: Option<String>,
    /// The current term.
    pub term: u64,
    /// The last index known to be committed.
    pub commit_index: u64,
    /// The last index applied on the answering node.
    pub applied_index: u64,
    /// How long ago the answering node last heard a leader, ms; null if never.
    pub age_ms: Option<u64>,
    /// The nodes that were not removed.
    pub nodes: Vec<Line>,
    /// The number of the current policy set.
    pub policy_set: u64,
    /// The audit chain.
    pub audit: Audit,
}

/// Which cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The hash of its genesis, to verify bundles against.
    pub anchor: String,
}

/// The audit chain's length and end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// How many records.
    pub records: u64,
    /// The hash of the last one.
    pub head: String,
}

/// A node, as the answering node hears it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// voter or learner.
    pub role: String,
    /// joining, ready, suspect or down.
    pub state: String,
    /// Where other nodes reach it.
    pub addr: String,
    /// How many agents it holds.
    pub agents: u64,
    /// Memory it offers to agents, MiB.
    pub memory_mb: u64,
    /// Memory reserved on it, MiB.
    pub reserved_mb: u64,
}

/// The status, from what one node has.
#[must_use]
pub fn status(own: &NodeId, state: &State, view: &View) -> Status {
    let cluster = state.cluster.as_ref();
    let leader = view.leader.filter(|_| view.leader_heard.is_some_and(|age| age < LEADERLESS_AFTER));
    Status {
        cluster: Identity {
            id: cluster.map(|cluster| cluster.id.to_string()).unwrap_or_default(),
            name: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
            anchor: cluster.map(|cluster| cluster.anchor.to_string()).unwrap_or_default(),
        },
        leader: leader.and_then(|id| state.nodes.get(&id)).map(|node| node.name.clone()),
        term: view.term,
        commit_index: view.committed.max(state.counters.applied_index),
        applied_index: state.counters.applied_index,
        age_ms: view.leader_heard.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        nodes: nodes(own, state, view),
        policy_set: state.counters.policy_set.0,
        audit: Audit { records: state.counters.audit_records, head: state.counters.audit_head.to_string() },
    }
}

/// The nodes that were not removed, by name.
#[must_use]
pub fn nodes(own: &NodeId, state: &State, view: &View) -> Vec<Line> {
    let known = state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    let mut lines: Vec<Line> = known.map(|(id, node)| line(own, state, view, id, node)).collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

fn line(own: &NodeId, state: &State, view: &View, id: &NodeId, node: &Node) -> Line {
    Line {
        name: node.name.clone(),
        id: id.to_string(),
        role: if view.voters.contains(id) { "voter" } else { "learner" }.to_owned(),
        state: heard(own, view, id, node).to_owned(),
        addr: node.profile.addr.to_string(),
        agents: state.held_by(id).count() as u64,
        memory_mb: node.profile.allocatable.memory_mb,
        reserved_mb: state.reserved(id).memory_mb,
    }
}

fn heard(own: &NodeId, view: &View, id: &NodeId, node: &Node) -> &'static str {
    let silent = id != own && view.heard.get(id).is_none_or(|age| *age > SUSPECT_AFTER);
    match (node.membership, node.liveness) {
        (Membership::Removed, _) => "removed",
        (_, Liveness::Down) => "down",
        (Membership::Joining, _) => "joining",
        (Membership::Member, Liveness::Up) if silent => "suspect",
        (Membership::Member, Liveness::Up) => "ready",
    }
}
