//! The audit chain, as applying extends it.

use crate::record::Record;
use crate::state::State;

/// Chains `record` to the last one, and makes it the last.
pub(super) fn append(state: &mut State, record: Record) -> Record {
    let record = record.chained(state.counters.audit_head);
    state.counters.audit_head = record.hash;
    state.counters.audit_records += 1;
    record
}
