//! A batch and its records, judged together.

use super::members::subject;
use super::{Chain, Genesis, Last, Membership};
use crate::canonical::root;
use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::line::{Batch, Cluster, Origin, Record};

/// The outcome of what took effect.
const DONE: &str = "DONE";
/// The outcome when the origin was no member.
const NOT_MEMBER: &str = "ORIGIN_NOT_MEMBER";
/// The outcome when the origin had not signed it.
const BAD_SIGNATURE: &str = "BAD_SIGNATURE";
/// The kinds of commands that only a leader decides.
const LEADERS: [&str; 5] = ["node.join", "node.clear", "node.down", "node.up", "agent.place"];

/// A batch whose records are still coming.
pub(super) struct Open {
    /// The batch.
    batch: Batch,
    /// Its line.
    line: u64,
    /// Its records so far, each with its line.
    records: Vec<(Record, u64)>,
}

impl Open {
    pub(super) fn new(batch: Batch, line: u64) -> Self {
        Self { batch, line, records: Vec::new() }
    }

    /// Whether every record is there.
    pub(super) fn is_whole(&self) -> bool {
        self.records.len() as u64 == u64::from(self.batch.count)
    }

    /// The hash of its last record so far.
    pub(super) fn head(&self) -> Option<Hex<32>> {
        self.records.last().map(|(record, _)| record.hash)
    }

    /// Takes its next record, which is linked to the one before it.
    pub(super) fn take(&mut self, record: Record, last_term: u64, line: u64) -> Result<(), Failure> {
        let here = |what| Err(Failure { line, what });
        let wanted = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let first = self.records.first().map(|(record, _)| record);
        if record.index != self.batch.index {
            return here(What::Index { found: record.index, wanted: self.batch.index });
        }
        if record.position != wanted {
            return here(What::Position { found: record.position, wanted });
        }
        if record.origin != Origin::Node(self.batch.origin) {
            return here(What::Origin);
        }
        let before = first.map_or(last_term, |first| first.term);
        if record.term < before || first.is_some() && record.term != before {
            return here(What::Term { found: record.term, before });
        }
        self.records.push((record, line));
        Ok(())
    }

    /// Whether this is a batch that can make a cluster, and which.
    fn makes(&self) -> Option<Cluster> {
        let [(record, _)] = self.records.as_slice() else { return None };
        let is_own = record.details.get("node").is_some_and(|node| *node == self.batch.origin.to_string());
        let cluster = record.subject.strip_prefix("cluster:").and_then(Cluster::parse);
        cluster.filter(|_| record.kind == "cluster.genesis" && is_own)
    }
}

impl Chain {
    /// Judges a batch all of whose records are there.
    pub(super) fn close(&mut self, open: Open) -> Result<(), Failure> {
        let at_batch = |what| Failure { line: open.line, what };
        let leaves: Vec<_> = open.records.iter().map(|(record, _)| record.leaf()).collect();
        if root(&leaves) != open.batch.root {
            return Err(at_batch(What::Root));
        }
        let whole = self.whole_refusal(&open).map_err(at_batch)?;
        if whole.is_none() {
            self.time_ms = self.time_ms.max(open.batch.time_ms);
        }
        for (record, line) in &open.records {
            self.judge(&open, record, whole).map_err(|what| Failure { line: *line, what })?;
        }
        // A batch without records leaves nothing that the next one could follow but its index.
        let term = open.records.last().map_or(self.last_term(), |(record, _)| record.term);
        let hash = open.head().or_else(|| self.head()).unwrap_or(Hex([0; 32]));
        self.last = Some(Last { index: open.batch.index, term, hash });
        Ok(())
    }

    /// For what the batch must have been refused whole, by the chain before it.
    fn whole_refusal(&self, open: &Open) -> Result<Option<&'static str>, What> {
        let cluster = match (&self.genesis, open.makes()) {
            (Some(_), _) => self.cluster,
            (None, Some(cluster)) => cluster,
            (None, None) => return Ok(Some(NOT_MEMBER)),
        };
        if self.genesis.is_some() && self.members.present(&open.batch.origin).is_none() {
            return Ok(Some(NOT_MEMBER));
        }
        if open.batch.is_signed(cluster, self.group) {
            return Ok(None);
        }
        // The cluster itself recorded that it did not verify: that is how an attempt at forgery looks in an honest chain.
        // So does a batch without commands, which had no effect to begin with.
        let recorded =
            open.records.is_empty() || open.records.iter().any(|(record, _)| record.outcome == BAD_SIGNATURE);
        if recorded { Ok(Some(BAD_SIGNATURE)) } else { Err(What::Signature) }
    }

    /// Judges one record of a batch.
    fn judge(&mut self, open: &Open, record: &Record, whole: Option<&'static str>) -> Result<(), What> {
        let refused = match whole {
            Some(code) => Some(code),
            None => (!self.may_say(open, record)?).then_some(NOT_MEMBER),
        };
        let outcome = record.outcome.as_str();
        let wanted = match refused {
            Some(wanted) if outcome != wanted => Some(wanted),
            None if [NOT_MEMBER, BAD_SIGNATURE].contains(&outcome) => Some("that a member signed it"),
            Some(_) | None => None,
        };
        if let Some(wanted) = wanted {
            return Err(What::Outcome { found: outcome.to_owned(), wanted });
        }
        if record.time_ms != self.time_ms {
            return Err(What::Time { found: record.time_ms, wanted: self.time_ms });
        }
        let repeats = record.details.get("repeated").is_some_and(|repeated| repeated == "true");
        if outcome != DONE || repeats {
            return Ok(());
        }
        self.follow(open, record)
    }

    /// Whether the origin of a batch that was not refused whole could say this one command.
    fn may_say(&self, open: &Open, record: &Record) -> Result<bool, What> {
        if self.genesis.is_none() {
            return Ok(open.makes().is_some());
        }
        Ok(match self.members.present(&open.batch.origin) {
            Some(Membership::Member) => true,
            Some(Membership::Joining) => {
                record.kind == "node.introduce" && subject(record, "node.introduce")? == open.batch.origin
            }
            Some(Membership::Removed) | None => false,
        })
    }

    /// Follows a record that took effect.
    fn follow(&mut self, open: &Open, record: &Record) -> Result<(), What> {
        if LEADERS.contains(&record.kind.as_str()) && open.batch.decided_term != record.term {
            return Err(What::DecidedTerm { term: record.term, decided: open.batch.decided_term });
        }
        if record.kind == "cluster.genesis" {
            return self.found(open, record);
        }
        if record.kind == "ledger.anchor" && subject(record, "ledger.anchor")? != open.batch.origin {
            return Err(What::Field { kind: "ledger.anchor", field: "subject" });
        }
        self.facts.follow(record)?;
        self.members.follow(record)
    }

    /// Takes the genesis.
    fn found(&mut self, open: &Open, record: &Record) -> Result<(), What> {
        if self.genesis.is_some() {
            return Err(What::Genesis("the cluster exists already"));
        }
        let cluster = open.makes().ok_or(What::Genesis("it is not its first node's own"))?;
        if cluster != self.cluster {
            return Err(What::ForeignCluster);
        }
        let detail = |field| record.details.get(field).ok_or(What::Field { kind: "cluster.genesis", field });
        let policies = Hex::parse(detail("policy_hash")?);
        self.genesis = Some(Genesis {
            line: open.line,
            anchor: open.batch.anchor(cluster, self.group),
            name: detail("cluster")?.clone(),
            domain: detail("domain")?.clone(),
            policies: policies.ok_or(What::Field { kind: "cluster.genesis", field: "policy_hash" })?,
        });
        let key = Hex::parse(detail("credential_key")?);
        let key = key.ok_or(What::Field { kind: "cluster.genesis", field: "credential_key" })?;
        self.members.found(open.batch.origin, detail("name")?.clone(), key);
        Ok(())
    }
}
