//! The cluster and its nodes, as `cluster status` and `node ls` show them.

use crate::ports::{View, Witness};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use symbi_model::node::{About, Liveness, Membership, Node, Profile};
use symbi_model::{NodeId, State};

/// A node that was not heard for so long is suspect.
const SUSPECT_AFTER: Duration = Duration::from_secs(2);
/// A leader of which nothing was heard for so long is one no more: until there is another, the log still names it.
const LEADERLESS_AFTER: Duration = Duration::from_secs(5);
/// What a node said of its machine so long ago is not shown.
const FRESH: Duration = Duration::from_secs(5);

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
    /// The longest that the answering node went without hearing its leader in the last minute or two, ms; null where it heard none, as
    /// on the leader itself. Heartbeats come every 100 ms.
    pub silence_ms: Option<u64>,
    /// The nodes that were not removed.
    pub nodes: Vec<Line>,
    /// The number of the current policy set.
    pub policy_set: u64,
    /// The audit chain.
    pub audit: Audit,
    /// Whether all is well, as the answering node sees it.
    pub healthy: bool,
    /// What is not well, in words.
    pub problems: Vec<String>,
    /// Who votes.
    pub quorum: Quorum,
    /// The answering node.
    pub node: Option<String>,
    /// The version of its program.
    pub version: String,
}

/// Who votes, and how many of these may fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many voters there are.
    pub voters: usize,
    /// How many of them the answering node hears.
    pub heard: usize,
    /// How many of these may fail before nothing can be agreed on; null if that is so already.
    pub survives: Option<usize>,
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
    /// The digest of the first checkpoint that three voters or more have signed, to be kept elsewhere and verified against as well; null
    /// before there is one.
    pub pin: Option<String>,
}

/// The audit chain's length and end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// How many records.
    pub records: u64,
    /// The hash of the last one.
    pub head: String,
    /// The log entries whose records are not on the answering node yet, as ranges of first and last; none once its chain is whole.
    pub missing: Vec<(u64, u64)>,
    /// Up to which record, counted from the genesis on, a majority of the voters has signed; 0 for none.
    pub witnessed: u64,
    /// How many times the answering node has seen a voter sign another history than its own.
    pub conflicts: u64,
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
    /// joining, ready, leaving (it is about to stop), suspect or down.
    pub state: String,
    /// Where other nodes reach it.
    pub addr: String,
    /// How many agents it holds.
    pub agents: u64,
    /// Memory it offers to agents, MiB.
    pub memory_mb: u64,
    /// Memory reserved on it, MiB.
    pub reserved_mb: u64,
    /// Whether it leads.
    pub leader: bool,
    /// The version of its program, as it said last; null if it never did.
    pub version: Option<String>,
    /// How long a heartbeat takes to it and back, µs; null for the answering node and for one that is not connected.
    pub round_trip_us: Option<u64>,
    /// How long ago the answering node heard it, ms; null if never.
    pub heard_ms: Option<u64>,
    /// How many agents it takes.
    pub max_agents: u32,
    /// Processor time it offers to agents, thousandths of a core.
    pub cpu_millis: u64,
    /// Processor time reserved on it, thousandths of a core.
    pub reserved_millis: u64,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// What it can isolate agents with.
    pub sandbox: Vec<String>,
    /// What is in use on its machine; null unless it said so in the last 5 s.
    pub usage: Option<Usage>,
    /// How many of its views the answering node has refused.
    pub views_refused: u64,
}

/// What a machine has, and what of it is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Memory in use, MiB.
    pub memory_used_mb: u64,
    /// Memory in all, MiB.
    pub memory_total_mb: u64,
    /// Processor time in use, thousandths of a core.
    pub cpu_used_millis: u64,
    /// Processor time in all, thousandths of a core.
    pub cpu_total_millis: u64,
    /// Disk of the data directory in use, MiB.
    pub disk_used_mb: u64,
    /// Disk of the data directory in all, MiB.
    pub disk_total_mb: u64,
}

/// The status, from what one node has.
#[must_use]
pub fn status(own: &NodeId, state: &State, view: &View, witness: &Witness) -> Status {
    let cluster = state.cluster.as_ref();
    let leader = leader(view);
    let (lines, quorum) = (nodes(own, state, view), quorum(own, view, None));
    let mut problems = problems(leader.is_some(), &quorum, &lines);
    if witness.conflicts > 0 {
        problems.push(
            "a voter has signed another history than this node's: see witness/evidence in its data directory"
                .to_owned(),
        );
    }
    Status {
        cluster: Identity {
            id: cluster.map(|cluster| cluster.id.to_string()).unwrap_or_default(),
            name: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
            anchor: cluster.map(|cluster| cluster.anchor.to_string()).unwrap_or_default(),
            pin: witness.pin.map(|pin| pin.digest.to_string()),
        },
        leader: leader.and_then(|id| state.nodes.get(&id)).map(|node| node.name.clone()),
        term: view.term,
        commit_index: view.committed.max(state.counters.applied_index),
        applied_index: state.counters.applied_index,
        age_ms: view.leader_heard.map(millis),
        silence_ms: view.silence.map(millis),
        nodes: lines,
        policy_set: state.counters.policy_set.0,
        audit: Audit {
            records: state.counters.audit_records,
            head: state.counters.audit_head.to_string(),
            missing: view.missing.clone(),
            witnessed: witness.witnessed,
            conflicts: witness.conflicts,
        },
        healthy: problems.is_empty(),
        problems,
        quorum,
        node: state.nodes.get(own).map(|node| node.name.clone()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Who leads, as far as it was heard.
fn leader(view: &View) -> Option<NodeId> {
    view.leader.filter(|_| view.leader_heard.is_some_and(|age| age < LEADERLESS_AFTER))
}

/// The voters, `without` one that is to go.
#[must_use]
pub fn quorum(own: &NodeId, view: &View, without: Option<&NodeId>) -> Quorum {
    let voters = view.voters.iter().filter(|id| Some(*id) != without);
    let heard = voters.clone().filter(|id| !is_silent(own, view, id)).count();
    let voters = voters.count();
    Quorum { voters, heard, survives: heard.checked_sub(voters / 2 + 1) }
}

fn problems(has_leader: bool, quorum: &Quorum, lines: &[Line]) -> Vec<String> {
    let mut problems = Vec::new();
    if !has_leader {
        problems.push("no leader is known".to_owned());
    }
    if quorum.survives.is_none() {
        problems.push(format!("only {} of {} voters are heard, which is not a majority", quorum.heard, quorum.voters));
    }
    let unwell = lines.iter().filter(|line| matches!(line.state.as_str(), "suspect" | "down"));
    problems.extend(unwell.map(|line| format!("{} is {}", line.name, line.state)));
    problems
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
    let (profile, reserved) = (&node.profile, state.reserved(id));
    let said = view.said.get(id);
    let heard = if id == own { Some(Duration::ZERO) } else { view.heard.get(id).copied() };
    let round_trip = view.round_trips.get(id).map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    Line {
        name: node.name.clone(),
        id: id.to_string(),
        role: if view.voters.contains(id) { "voter" } else { "learner" }.to_owned(),
        state: condition(own, view, id, node).to_owned(),
        addr: profile.addr.to_string(),
        agents: state.held_count(id) as u64,
        memory_mb: profile.allocatable.memory_mb,
        reserved_mb: reserved.memory_mb,
        leader: leader(view) == Some(*id),
        version: said.map(|said| said.view.version.clone()).or_else(|| program(profile)),
        round_trip_us: round_trip,
        heard_ms: heard.map(millis),
        max_agents: profile.max_agents,
        cpu_millis: profile.allocatable.cpu_millis,
        reserved_millis: reserved.cpu_millis,
        labels: profile.labels.clone(),
        sandbox: profile.tiers.iter().map(ToString::to_string).collect(),
        usage: said.filter(|said| said.age <= FRESH).map(|said| usage(&said.view.usage)),
        views_refused: view.refused.get(id).copied().unwrap_or(0),
    }
}

fn usage(usage: &symbi_proto::wire::Usage) -> Usage {
    Usage {
        memory_used_mb: usage.memory_used_mb,
        memory_total_mb: usage.memory_total_mb,
        cpu_used_millis: usage.cpu_used_millis,
        cpu_total_millis: usage.cpu_total_millis,
        disk_used_mb: usage.disk_used_mb,
        disk_total_mb: usage.disk_total_mb,
    }
}

fn is_silent(own: &NodeId, view: &View, id: &NodeId) -> bool {
    id != own && view.heard.get(id).is_none_or(|age| *age > SUSPECT_AFTER)
}

fn condition(own: &NodeId, view: &View, id: &NodeId, node: &Node) -> &'static str {
    match (node.membership, node.liveness) {
        (Membership::Removed, _) => "removed",
        (_, Liveness::Down) => "down",
        (Membership::Joining, _) => "joining",
        (Membership::Member, Liveness::Leaving) => "leaving",
        (Membership::Member, Liveness::Up) if is_silent(own, view, id) => "suspect",
        (Membership::Member, Liveness::Up) => "ready",
    }
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

/// The version of a node's program, as it said when it last started.
fn program(profile: &Profile) -> Option<String> {
    profile.about.skim().ok().map(|About { program }| program)
}
