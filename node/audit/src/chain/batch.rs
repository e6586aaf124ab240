//! A batch and its records, judged together.

use super::anchors;
use super::members::subject;
use super::{Chain, DONE, Genesis, Last, Membership, STRIDE_MS};
use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::line::{Batch, Cluster, Origin, Record};
use crate::tree::root;
use crate::trust::Change;

/// The outcome when the origin was no member.
const NOT_MEMBER: &str = "ORIGIN_NOT_MEMBER";
/// The outcome when the origin had not signed it.
const BAD_SIGNATURE: &str = "BAD_SIGNATURE";
/// The outcome when the cluster does not write acts of this version yet.
const GATE_CLOSED: &str = "GATE_CLOSED";
/// The kind of a batch without commands.
const EMPTY: &str = "batch.empty";
/// The kind of a batch whose acts are of a version that the cluster does not write yet: nobody reads what is in it, or whether its
/// origin has signed it.
const UNOPENED: &str = "batch.unopened";
/// The kind of what changes voters.
const VOTERS: &str = "audit.voters";
/// The kinds of commands that only a leader decides.
const LEADERS: [&str; 8] =
    ["node.join", "node.clear", "node.down", "node.up", "agent.place", "audit.seal", VOTERS, anchors::KIND];
/// The kind of what a node says of itself only.
const OWN: &str = "node.leaving";

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

    /// Whether every record is there: one a command, and one where there is none.
    pub(super) fn is_whole(&self) -> bool {
        self.records.len() as u64 == u64::from(self.batch.count.max(1))
    }

    /// Whether a batch without commands that are read has the record of such a batch, and every other one has none.
    fn is_empty_as_said(&self, group: u64) -> bool {
        self.records.iter().all(|(record, _)| {
            let is_bare = [EMPTY, UNOPENED].contains(&record.kind.as_str())
                && record.actor == format!("node:{}", self.batch.origin)
                && record.subject == format!("group:{group}")
                && record.details.is_empty()
                && record.request.is_empty()
                && record.decision.is_empty()
                && record.policy_set == 0
                && record.command == Hex([0; 32]);
            if self.batch.count == 0 { is_bare } else { ![EMPTY, UNOPENED].contains(&record.kind.as_str()) }
        })
    }

    /// The leaves of its commands' acts.
    fn leaves(&self) -> Vec<Hex<32>> {
        let commands = self.records.iter().take(usize::try_from(self.batch.count).unwrap_or(usize::MAX));
        commands.map(|(record, _)| record.act_leaf()).collect()
    }

    /// Whether it was not read. Nobody's word is in it, so nobody's signature is needed.
    fn is_unopened(&self) -> bool {
        self.records.iter().all(|(record, _)| record.kind == UNOPENED)
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
        if !open.is_empty_as_said(self.group) {
            return Err(at_batch(What::Empty));
        }
        if root(&open.leaves()) != open.batch.root {
            return Err(at_batch(What::Root));
        }
        let whole = self.whole_refusal(&open).map_err(at_batch)?;
        if whole.is_none() {
            let most_ms = self.genesis.as_ref().map_or(u64::MAX, |_| self.time_ms.saturating_add(STRIDE_MS));
            self.time_ms = open.batch.time_ms.clamp(self.time_ms, most_ms);
        }
        for (record, line) in &open.records {
            self.judge(&open, record, whole).map_err(|what| Failure { line: *line, what })?;
        }
        if let Some((record, _)) = open.records.last() {
            self.last = Some(Last { index: open.batch.index, term: record.term, hash: record.hash });
        }
        self.entry_ended(open.records.iter().map(|(record, _)| record))
    }

    /// For what the batch must have been refused whole, by the chain before it.
    fn whole_refusal(&self, open: &Open) -> Result<Option<&'static str>, What> {
        if open.is_unopened() {
            return Ok(Some(GATE_CLOSED));
        }
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
        let recorded = open.records.iter().any(|(record, _)| record.code == BAD_SIGNATURE);
        if recorded { Ok(Some(BAD_SIGNATURE)) } else { Err(What::Signature) }
    }

    /// Judges one record of a batch.
    fn judge(&mut self, open: &Open, record: &Record, whole: Option<&'static str>) -> Result<(), What> {
        let refused = match whole {
            Some(code) => Some(code),
            None => (!self.may_say(open, record)?).then_some(NOT_MEMBER),
        };
        let outcome = record.code.as_str();
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
        self.voting.is_about_voters |= record.kind == VOTERS;
        let repeats = record.values.get("repeated").is_some_and(|repeated| repeated == "true");
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
            // It may say nothing at all, too.
            Some(Membership::Joining) if record.kind == EMPTY => true,
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
        if record.kind == OWN && subject(record, OWN)? != open.batch.origin {
            return Err(What::Field { kind: OWN, field: "subject" });
        }
        if record.kind == anchors::KIND {
            self.anchors.follow((self.cluster, self.generation), &self.members, record)?;
        }
        if record.kind == VOTERS {
            self.voting.changes.push(change(record)?);
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
        self.voting.changes.push(Change::Founded(open.batch.origin));
        Ok(())
    }
}

/// The change of voters that a record says.
fn change(record: &Record) -> Result<Change, What> {
    let field = |field| What::Field { kind: VOTERS, field };
    let voters = || {
        let ids = record.details.get("voters").map(|voters| voters.split(',').map(Hex::parse).collect());
        ids.flatten().ok_or(field("voters"))
    };
    match record.details.get("phase").map(String::as_str) {
        Some("next") => voters().map(Change::Next),
        Some("settled") => voters().map(Change::Settled),
        Some("aborted") => Ok(Change::Aborted),
        _ => Err(field("phase")),
    }
}
