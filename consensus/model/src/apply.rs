//! How an entry of the log changes the state: total, deterministic, and with an audit record for whatever it is.
//!
//! A batch is refused whole when its origin is no member or its signature does not verify. Otherwise each command stands
//! alone, in this order: is it the origin's to say; is it a leader's, of this term; was it done before; is its permit's
//! policy set still current; do its own conditions hold; do the invariants hold with what it would write. One that fails
//! changes nothing, and has its record all the same.
//!
//! *Caveats*: that a batch comes from the node that leads is not seen here (an entry names its term, not its leader): the
//! leader checks it at the door. Neither is a batch's time, but that log time never falls.

mod agents;
mod batch;
mod chain;
mod context;
mod describe;
mod ledgers;
mod nodes;
mod placements;
mod policies;
mod requests;
mod tokens;

use crate::codec;
use crate::entry::{Entry, Payload};
use crate::hash::Hash;
use crate::ids::NodeId;
use crate::outcome::Outcome;
use crate::record::{BatchLine, Record};
use crate::state::{Key, Row, State};
use std::collections::{BTreeMap, BTreeSet};

/// What applying an entry gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What became of each command, in order; none for Raft's own entries.
    pub outcomes: Vec<Outcome>,
    /// The rows that changed.
    pub rows: Vec<Row>,
    /// What the chain keeps of a batch.
    pub batch_line: Option<BatchLine>,
    /// The audit records, in order: one a command, or one for an entry of Raft's own.
    pub records: Vec<Record>,
    /// The entry cannot be read: nothing was changed, and the replica must stop.
    pub error: Option<codec::Error>,
}

/// Applies `entry` to `state`. Entries are applied once each, in the order of the log.
pub fn apply(state: &mut State, entry: &Entry) -> Applied {
    let before = state.clone();
    let mut applied = match &entry.payload {
        Payload::Batch(bytes) => match batch::Opened::read(bytes) {
            Ok(opened) => batch::apply(state, entry, &opened),
            Err(error) => return Applied { error: Some(error), ..Applied::default() },
        },
        Payload::Blank => batch::Done::of(raft_record(state, entry, "raft.blank", BTreeMap::new())),
        Payload::Membership { voters, learners } => {
            let details = BTreeMap::from([
                ("voters".to_owned(), voters.iter().map(|set| names(set)).collect::<Vec<_>>().join(" and ")),
                ("learners".to_owned(), names(learners)),
            ]);
            batch::Done::of(raft_record(state, entry, "raft.membership", details))
        }
    };
    state.counters.applied_index = entry.index;
    state.counters.applied_term = entry.term;
    applied.touched.insert(Key::Counters);
    let rows = state.settle(&before, applied.touched);
    Applied { outcomes: applied.outcomes, rows, batch_line: applied.batch_line, records: applied.records, error: None }
}

/// Appends the record of an entry that Raft itself made.
fn raft_record(state: &mut State, entry: &Entry, kind: &str, details: BTreeMap<String, String>) -> Record {
    let record = Record {
        index: entry.index,
        position: 0,
        term: entry.term,
        time_ms: state.counters.log_time_ms,
        origin: None,
        kind: kind.to_owned(),
        actor: "raft".to_owned(),
        subject: "group:0".to_owned(),
        outcome: Outcome::Done.code().to_owned(),
        request: String::new(),
        decision: String::new(),
        policy_set: Default::default(),
        command: Hash::default(),
        details,
        previous: Hash::default(),
        hash: Hash::default(),
    };
    chain::append(state, record)
}

/// The nodes' first hex digits, in order.
fn names(nodes: &[NodeId]) -> String {
    let set: BTreeSet<String> = nodes.iter().map(NodeId::short).collect();
    set.into_iter().collect::<Vec<_>>().join(",")
}
