//! The audit chain, as applying extends it.

use crate::act::Act;
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ids::NodeId;
use crate::merkle;
use crate::outcome::Coded;
use crate::record::Record;
use crate::state::State;
use std::sync::Arc;

/// What a record says that is not its entry's or the chain's.
pub(super) struct Line {
    /// Its position in its batch.
    pub(super) position: u32,
    /// Who proposed.
    pub(super) origin: Option<NodeId>,
    /// What was asked for.
    pub(super) act: Act,
    /// What came of it.
    pub(super) result: Coded,
}

/// Chains a record of `entry` to the last one, and makes it the last; `leaf` is that of its act.
pub(super) fn append(state: &mut State, entry: &Entry, line: Line, leaf: &Hash) -> Record {
    let Line { position, origin, act, result } = line;
    let time_ms = state.counters.log_time_ms;
    let (previous, hash) = (Hash::default(), Hash::default());
    let record =
        Record { index: entry.index, position, term: entry.term, time_ms, origin, act, result, previous, hash };
    let record = record.chained_over(leaf, state.counters.audit_head);
    state.counters.audit_head = record.hash;
    state.counters.audit_records += 1;
    // What Raft did before there was a cluster is in no tree.
    if state.cluster.is_some() {
        Arc::make_mut(&mut state.chain).frontier.append(merkle::leaf(&record.hash.0));
    }
    record
}
