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
    Line {
        id: format!("{}.{}", record.index, record.position),
        time_ms: record.time_ms,
        kind: record.kind.clone(),
        actor: record.actor.clone(),
        subject: record.subject.clone(),
        outcome: record.outcome.clone(),
        origin: record.origin.map_or_else(|| "raft".to_owned(), |node| node.to_string()),
        decision: record.decision.clone(),
        request: record.request.clone(),
        details: record.details.clone(),
        hash: record.hash.to_string(),
    }
}
