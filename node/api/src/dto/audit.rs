//! Audit records as they are tailed. The export has a format of its own, `node/audit`'s.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::State;
use symbi_model::act::Subject;
use symbi_model::field::Value;
use symbi_model::names::Field;
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
    /// The names of the nodes that this line speaks of, by id, as the answering node has them now.
    pub names: BTreeMap<String, String>,
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

/// The JSON of a record. The chain has ids; the names are those of `state`.
#[must_use]
pub fn line(record: &Record, state: &State) -> Line {
    let act = &record.act;
    let mentioned = [act.details.get(Field::NODE), record.result.values.get(Field::NODE)];
    let mentioned = mentioned.into_iter().flatten().filter_map(Value::node);
    let subject = match act.subject {
        Subject::Node(node) => Some(node),
        _ => None,
    };
    let nodes = record.origin.into_iter().chain(subject).chain(mentioned);
    let named = nodes.filter_map(|node| Some((node.to_string(), state.nodes.get(&node)?.name.clone())));
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
        names: named.collect(),
        hash: record.hash.to_string(),
    }
}
