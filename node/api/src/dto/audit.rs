//! Audit records as they are tailed. The export has a format of its own, `node/audit`'s.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::record::Record;

/// A record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// `index.position`.
    pub id: String,
    /// Log time, ms since the Unix epoch.
    pub time_ms: u64,
    /// What happened.
    pub kind: String,
    /// Who asked.
    pub actor: String,
    /// To what.
    pub subject: String,
    /// `DONE`, or the refusal's code.
    pub outcome: String,
    /// What it gave, or what it was refused for, by name.
    pub values: BTreeMap<String, String>,
    /// The node that proposed, or `raft`.
    pub origin: String,
    /// The decision that permitted it; empty where none was needed.
    pub decision: String,
    /// The client's key; empty for a node's own.
    pub request: String,
    /// What else there is to know.
    pub details: BTreeMap<String, String>,
    /// The record's hash.
    pub hash: String,
}

/// What a check of the answering node's own chain found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verified {
    /// Whether every record, batch and signature holds.
    pub ok: bool,
    /// How many records were checked.
    pub records: u64,
    /// How many batch signatures were checked.
    pub batches: u64,
    /// The hash of the last record.
    pub head: String,
    /// The cluster's anchor.
    pub anchor: String,
    /// What does not hold; empty when all does.
    pub failure: String,
}

/// The JSON of a record.
#[must_use]
pub fn line(record: &Record) -> Line {
    let act = &record.act;
    Line {
        id: format!("{}.{}", record.index, record.position),
        time_ms: record.time_ms,
        kind: act.kind.to_string(),
        actor: act.actor.to_string(),
        subject: act.subject.to_string(),
        outcome: record.result.code.to_string(),
        values: record.result.values.texts().collect(),
        origin: record.origin.map_or_else(|| "raft".to_owned(), |node| node.to_string()),
        decision: act.permit.map(|permit| permit.decision.to_string()).unwrap_or_default(),
        request: act.request.map(|request| request.to_string()).unwrap_or_default(),
        details: act.details.texts().collect(),
        hash: record.hash.to_string(),
    }
}
