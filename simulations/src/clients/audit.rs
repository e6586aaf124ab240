//! Reads the replica's whole audit chain, has the independent verifier judge it, judges the permits in it, and tells which anchors of
//! ledgers are in it.

use std::collections::BTreeSet;
use symbi_audit::{Cluster, Line};
use symbi_model::NodeId;
use symbi_raft::{AuditPosition, AuditRow};

/// The policy set of the first entry.
const FIRST_SET: u64 = 1;
/// The outcome of what was done.
const DONE: &str = "DONE";
/// Lines read at once.
const CHUNK: usize = 512;

/// What is in a chain.
pub struct Audited {
    /// How many records it has.
    pub records: u64,
    /// How many lines of the ledger of the node whose replica it is were anchored, each time.
    pub anchors: BTreeSet<u64>,
}

/// Verifies the chain of a node's replica, its anchor and its head; answers what is in it.
///
/// # Errors
/// What does not hold.
pub fn verify(raft: &symbi_raft::Handle, node: &NodeId) -> Result<Audited, String> {
    let state = raft.state().borrow().clone();
    let cluster = state.cluster.as_ref().ok_or("there is no cluster")?;
    let lines = read(raft, state.counters.applied_index)?;
    check_permits(&lines)?;
    let anchors = anchors(&lines, node);
    let id = Cluster(*cluster.id.0.as_bytes());
    let report = symbi_audit::verify_chain(id, 0, lines).map_err(|failure| failure.to_string())?;
    let (head, records) = (state.counters.audit_head.to_string(), state.counters.audit_records);
    if report.anchor != cluster.anchor.to_string() {
        return Err(format!("the chain's anchor is {}, the state's {}", report.anchor, cluster.anchor));
    }
    if (report.head.as_str(), report.records) != (head.as_str(), records) {
        return Err(format!(
            "the chain ends in {} after {}, the state says {head} after {records}",
            report.head, report.records
        ));
    }
    Ok(Audited { records, anchors })
}

/// How many lines of a node's ledger were anchored, each time.
fn anchors(lines: &[Line], node: &NodeId) -> BTreeSet<u64> {
    let records = lines.iter().filter_map(|line| match line {
        Line::Record(record) if record.kind == "ledger.anchor" => Some(record),
        _ => None,
    });
    let said = records.filter_map(|record| record.details.get("anchors").zip(record.values.get("answers")));
    let each = said.flat_map(|(anchors, answers)| anchors.split(',').zip(answers.split(',')));
    let own = each.filter(|(_, answer)| *answer == DONE).filter_map(|(anchor, _)| {
        let mut parts = anchor.split(':');
        parts.next().filter(|of| *of == node.to_string())?;
        parts.nth(1)?.parse().ok()
    });
    own.collect()
}

/// Nothing was done under a permit of another policy set than the one that was current.
///
/// # Errors
/// What was.
pub fn check_permits(lines: &[Line]) -> Result<(), String> {
    let mut current = FIRST_SET;
    for line in lines {
        let Line::Record(record) = line else { continue };
        let done = record.code == DONE && !record.values.contains_key("repeated");
        if done && !record.decision.is_empty() && record.policy_set != current {
            let (kind, index, set) = (&record.kind, record.index, record.policy_set);
            return Err(format!("permits: {kind} at {index} was done by set {set}, when {current} was current"));
        }
        if done && record.kind == "policy.apply" {
            let number = record.values.get("policy_set").and_then(|number| number.parse().ok());
            current = number.ok_or_else(|| format!("the policies applied at {} have no number", record.index))?;
        }
    }
    Ok(())
}

fn read(raft: &symbi_raft::Handle, last: u64) -> Result<Vec<Line>, String> {
    let (mut lines, mut from) = (Vec::new(), AuditPosition::default());
    loop {
        let rows = raft.audit(from, CHUNK).map_err(|error| error.to_string())?;
        let Some(end) = rows.last() else { return Ok(lines) };
        from = end.next();
        for row in rows.into_iter().filter(|row| row.position().index <= last) {
            lines.push(match row {
                AuditRow::Batch(line) => {
                    Line::Batch(symbi_audit_lines::batch(line).map_err(|error| error.to_string())?)
                }
                AuditRow::Record(line) => Line::Record(symbi_audit_lines::record(line)),
            });
        }
    }
}
