//! What a check found, as data and in words: the same ones from `symbi-node audit verify` and from `symbi-audit`.

use crate::summary::Summary;
use crate::trust::{Weakest, Witnessed};
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The cluster's id.
    pub cluster: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// What the cluster is known by.
    pub anchor: String,
    /// Whether the anchor was compared with one given, so that this is known to be that cluster's chain; else it is known to
    /// be consistent, and no more.
    pub anchored: bool,
    /// How many records were checked.
    pub records: u64,
    /// How many batches were checked.
    pub batches: u64,
    /// The hash of the last record.
    pub head: String,
    /// The log index of the first record.
    pub first_index: u64,
    /// The log index of the last record.
    pub last_index: u64,
    /// The term of the first record.
    pub first_term: u64,
    /// The term of the last record.
    pub last_term: u64,
    /// How many nodes were ever enrolled.
    pub nodes: u64,
    /// The cluster's generation; 0 of a chain alone.
    pub generation: u64,
    /// The name of the node that made the bundle; empty of a chain alone.
    pub exporter: String,
    /// The last checkpoint that voters have witnessed; none if there is none.
    pub witnessed: Option<Witnessed>,
    /// The voters on the fewest of whose keys the witnessed part rests.
    pub weakest: Option<Weakest>,
    /// How many records come after it: what became of them is on the exporter's word.
    pub after: u64,
    /// What was found of the ledgers; nothing of a chain alone.
    pub ledgers: Summary,
}

/// What keeps a bundle that holds from being all that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Ledgers are missing: the names of their nodes.
    Ledgers(Vec<String>),
    /// The last witnessed checkpoint is older than was asked for.
    Stale {
        /// Its log time, ms since the Unix epoch; none if there is no such checkpoint.
        witnessed_ms: Option<u64>,
        /// What was asked for, ms since the Unix epoch.
        wanted_ms: u64,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledgers(nodes) => write!(formatter, "ledgers missing: {}", nodes.join(", ")),
            Self::Stale { witnessed_ms: None, .. } => formatter.write_str("no checkpoint in it was witnessed"),
            Self::Stale { witnessed_ms: Some(witnessed), wanted_ms } => {
                write!(
                    formatter,
                    "the last witnessed checkpoint is of {}, before {}",
                    time(*witnessed),
                    time(*wanted_ms)
                )
            }
        }
    }
}

impl Report {
    /// What it lacks, although all of it holds: ledgers that were anchored, or a witnessed checkpoint of `not_before` (ms since the Unix epoch) or later.
    #[must_use]
    pub fn lacks(&self, not_before: Option<u64>) -> Vec<Lack> {
        // Of a node that never had an entry anchored nothing is known to be missing.
        let missing = self.ledgers.missing.iter().filter(|ledger| ledger.entries > 0);
        let missing: Vec<String> = missing.map(|ledger| ledger.node.clone()).collect();
        let ledgers = (!missing.is_empty()).then_some(Lack::Ledgers(missing));
        let witnessed_ms = self.witnessed.as_ref().map(|witnessed| witnessed.time_ms);
        let wanted = not_before.filter(|wanted| witnessed_ms.is_none_or(|witnessed| witnessed < *wanted));
        let stale = wanted.map(|wanted_ms| Lack::Stale { witnessed_ms, wanted_ms });
        ledgers.into_iter().chain(stale).collect()
    }

    /// On whose word what rests, in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        let exporter = if self.exporter.is_empty() { "the exporter" } else { &self.exporter };
        let mut parts = match &self.witnessed {
            Some(Witnessed { records, time_ms, by, of }) => {
                vec![format!("witnessed to record {records} at {} by {by} of {of} voters", time(*time_ms))]
            }
            None => vec![format!("witnessed by nobody: all of it rests on {exporter}'s word")],
        };
        if let Some(weakest) = &self.weakest {
            parts.push(format!("weakest hop: {weakest}"));
        }
        if self.witnessed.is_some() && self.after > 0 {
            let records = if self.after == 1 { "record" } else { "records" };
            parts.push(format!("after that {} {records} on {exporter}'s word", self.after));
        }
        parts.extend(self.lacks(None).iter().map(ToString::to_string));
        parts.join("; ")
    }

    /// As JSON. `says` is what was asked and found, in a sentence.
    #[must_use]
    pub fn json(&self, says: &str) -> Value {
        let witnessed = self.witnessed.as_ref();
        let weakest = self.weakest.as_ref();
        json!({
            "ok": true,
            "says": says,
            "verdict": self.verdict(),
            "records": self.records,
            "batches": self.batches,
            "head": self.head,
            "anchor": self.anchor,
            "generation": self.generation,
            "witnessed_records": witnessed.map_or(0, |witnessed| witnessed.records),
            "witnessed_time_ms": witnessed.map(|witnessed| witnessed.time_ms),
            "witnessed_by": witnessed.map_or(0, |witnessed| witnessed.by),
            "voters": witnessed.map_or(0, |witnessed| witnessed.of),
            "weakest_hop": weakest.map(|hop| json!({ "keys": hop.keys, "voters": hop.voters, "until": hop.until })),
            "after": self.after,
            "ledgers": ledgers(&self.ledgers),
        })
    }

    /// The same for people: a name and a value each, what could not be checked as notes.
    #[must_use]
    pub fn lines(&self, says: &str) -> Vec<(&'static str, String)> {
        let found = &self.ledgers;
        let mut lines = vec![
            ("verified", says.to_owned()),
            ("verdict", self.verdict()),
            ("records", self.records.to_string()),
            ("batches", self.batches.to_string()),
            ("head", self.head.clone()),
            ("anchor", self.anchor.clone()),
            ("ledgers", format!("{} with {} entries", found.ledgers, found.entries)),
            ("messages", format!("{} batches signed, {} the same on both sides", found.attested, found.two_sided)),
        ];
        let open = [
            (found.unanchored, "entries after their ledger's last anchor"),
            (found.unverified, "batches whose session was let go: signature not checked"),
            (found.unattested, "messages taken in without a signature"),
            (found.unconfirmed, "batches sent and not known to have arrived"),
            (found.one_sided, "batches whose other side is in a missing ledger"),
            (found.excused, "batches of moments that a node lost when it was cut off, or has let go"),
        ];
        lines.extend(
            open.iter().filter(|(count, _)| *count > 0).map(|(count, says)| ("note", format!("{count} {says}"))),
        );
        lines.extend(found.missing.iter().map(|ledger| {
            let (node, entries, head) = (&ledger.node, ledger.entries, &ledger.head);
            let anchored = match entries {
                0 => "nothing is anchored".to_owned(),
                _ => format!("{entries} entries are anchored, the last one {head}"),
            };
            ("missing", format!("the ledger of {node}, of which {anchored}"))
        }));
        lines
    }
}

impl fmt::Display for Weakest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.voters.as_slice() {
            [only] => write!(formatter, "rests on {only}'s key alone until record {}", self.until),
            all => {
                write!(
                    formatter,
                    "rests on any {} of the keys of {} until record {}",
                    self.keys,
                    all.join(", "),
                    self.until
                )
            }
        }
    }
}

/// What was found of the ledgers, by name.
fn ledgers(found: &Summary) -> Value {
    let missing = found
        .missing
        .iter()
        .map(|ledger| json!({ "node": ledger.node, "anchored_entries": ledger.entries, "anchored_head": ledger.head }));
    json!({
        "checked": found.ledgers,
        "entries": found.entries,
        "unanchored_entries": found.unanchored,
        "attested_batches": found.attested,
        "unverified_batches": found.unverified,
        "unattested_messages": found.unattested,
        "two_sided_batches": found.two_sided,
        "unconfirmed_batches": found.unconfirmed,
        "one_sided_batches": found.one_sided,
        "excused_batches": found.excused,
        "missing": missing.collect::<Vec<_>>(),
    })
}

/// As RFC 3339; a time that no calendar has, in ms.
fn time(ms: u64) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    // The calendar of the format ends with the year 9999.
    match at.filter(|_| ms < 253_402_300_800_000) {
        Some(at) => humantime::format_rfc3339_seconds(at).to_string(),
        None => format!("{ms} ms"),
    }
}
