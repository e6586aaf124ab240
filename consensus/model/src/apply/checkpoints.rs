//! Closes a checkpoint at the end of an entry: at the genesis, with [`EVERY`] records since the last one, and whenever the entry has
//! a record of a seal or of voters, whatever its outcome.
//!
//! Its state hash is that of the state behind the whole entry, and before the checkpoint itself is put into it.

use crate::checkpoint::{Checkpoint, EVERY, SLOT_MS};
use crate::entry::{CONTROL, Entry};
use crate::ids::NodeId;
use crate::names::{Code, Field, Kind};
use crate::record::Record;
use crate::state::{Key, Row, Ruling, State};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The checkpoint that the entry closes, if it does; `rows` are those that changed.
pub(super) fn close(
    state: &mut State,
    entry: &Entry,
    records: &[Record],
    rows: &mut Vec<Row>,
) -> Option<Arc<Checkpoint>> {
    let cluster = state.cluster.as_ref()?;
    let (size, last) = (state.chain.frontier.size(), state.checkpoint.as_deref());
    let is_asked_for = last.is_none() || records.iter().any(closes);
    if !is_asked_for && size - last.map_or(0, |last| last.size) < EVERY {
        return None;
    }
    let (time_ms, is_hop) = (state.counters.log_time_ms, records.iter().any(hops));
    let is_first_of_slot = last.is_none_or(|last| last.time_ms / SLOT_MS < time_ms / SLOT_MS);
    let checkpoint = Arc::new(Checkpoint {
        cluster: cluster.id,
        generation: u64::from(cluster.generation),
        group: CONTROL,
        gate: state.counters.gate,
        size,
        root: state.chain.frontier.root(),
        head: state.counters.audit_head,
        index: entry.index,
        term: entry.term,
        time_ms,
        state: state.hash(),
        voters: voters(state, is_hop),
        next: state.chain.ruling.next.clone(),
        hop: state.hop.as_deref().map(Checkpoint::digest).unwrap_or_default(),
        hops: is_hop,
    });
    let before = state.clone();
    state.checkpoint = Some(checkpoint.clone());
    if checkpoint.hops {
        state.hop = Some(checkpoint.clone());
    }
    if is_asked_for || is_first_of_slot {
        state.recent.push(checkpoint.clone());
    }
    rows.extend(state.settle(&before, BTreeSet::from([Key::Checkpoint, Key::Hop])));
    Some(checkpoint)
}

/// The sets whose majorities it needs. Who is to follow is named by those who rule alone, even where Raft has gone over already: the
/// word of those who follow counts only behind that.
fn voters(state: &State, is_hop: bool) -> Vec<Vec<NodeId>> {
    let Ruling { voters, next } = &state.chain.ruling;
    if is_hop && next.is_some() { vec![voters.clone()] } else { state.chain.sets() }
}

/// Whether the record's entry ends with a checkpoint.
fn closes(record: &Record) -> bool {
    [Kind::AUDIT_SEAL, Kind::AUDIT_VOTERS].contains(&record.act.kind)
}

/// Whether the record says for the first time who rules, or is to.
fn hops(record: &Record) -> bool {
    let is_about_voters = [Kind::CLUSTER_GENESIS, Kind::AUDIT_VOTERS].contains(&record.act.kind);
    let result = &record.result;
    is_about_voters && result.code == Code::DONE && result.values.get(Field::REPEATED).is_none()
}
