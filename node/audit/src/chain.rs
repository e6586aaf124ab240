//! The chain, checked line by line: what the records say must follow from what was signed and from the records before.
//!
//! A batch is judged when its last record is there. Its origin, if it was enrolled and not removed then, must have signed
//! exactly these commands, or else its records must say that they were refused for that; a joining node may only
//! introduce itself. What should have been a batch and could not be read has one record, and nothing else. Hashes, indices, positions, terms and times leave no room for a record more or less.
//! What became of the commands, and what comes last, is held against the checkpoints that voters have signed.

mod anchors;
mod batch;
mod facts;
mod members;

use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::line::{Batch, Cluster, Line, Origin, Record};
use crate::report::Report;
use crate::summary::Summary;
use crate::tree::{Frontier, leaf};
use crate::trust::{Place, Trust, Voting};
use anchors::Anchors;
pub(crate) use anchors::{Anchor, Signed};
use batch::Open;
use facts::Facts;
use members::{Members, Membership};
use std::collections::{BTreeMap, VecDeque};

/// The outcome of what took effect.
const DONE: &str = "DONE";
/// Who acts where no node does.
const RAFT: &str = "raft";
/// The kind of an entry that should be a batch and is none that can be read.
const UNREADABLE: &str = "batch.unreadable";
/// Its outcome.
const UNREADABLE_CODE: &str = "UNREADABLE";
/// No batch but the first takes log time further on than this, ms.
const STRIDE_MS: u64 = 24 * 60 * 60 * 1000;

/// The check of a chain under way.
pub struct Chain {
    /// The cluster whose chain it should be.
    cluster: Cluster,
    /// The group whose chain it should be.
    group: u64,
    /// The cluster's generation; none of a chain alone.
    generation: Option<u64>,
    /// How many lines were given, the bundle's own included.
    pub(crate) line: u64,
    /// The batch whose records are not all there.
    open: Option<Open>,
    /// The last record.
    last: Option<Last>,
    /// The first record's index and term.
    first: (u64, u64),
    /// Log time.
    time_ms: u64,
    /// The genesis.
    genesis: Option<Genesis>,
    /// Who was a member.
    members: Members,
    /// How far ledgers had come.
    anchors: Anchors,
    /// What else the ledgers are held against.
    facts: Facts,
    /// The tree over the records from the genesis on.
    tree: Frontier,
    /// What the entry under way says of voters.
    voting: Voting,
    /// The checkpoints.
    trust: Trust,
    /// How many records.
    pub(crate) records: u64,
    /// How many batches.
    pub(crate) batches: u64,
}

/// What is kept of the entry and the record before.
struct Last {
    /// The index of the last entry.
    index: u64,
    /// The term of the last entry.
    term: u64,
    /// The hash of the last record.
    hash: Hex<32>,
}

/// What is kept of the genesis.
struct Genesis {
    /// The line of its batch.
    line: u64,
    /// What the cluster is known by.
    anchor: Hex<32>,
    /// The cluster's name.
    name: String,
    /// The domain of the names in credentials.
    domain: String,
    /// SHA-256 of policy set 1.
    policies: Hex<32>,
}

/// Checks a chain that lies in memory.
///
/// # Errors
/// The first line, counted from 1, at which something does not hold. Lines that are neither batches nor records are
/// misplaced here.
pub fn verify_chain(cluster: Cluster, group: u64, lines: impl IntoIterator<Item = Line>) -> Result<Report, Failure> {
    let mut chain = Chain::new(cluster, group);
    for line in lines {
        match line {
            Line::Batch(batch) => chain.batch(batch)?,
            Line::Record(record) => chain.record(record)?,
            Line::Bundle(_) => return Err(chain.misplaced("bundle")),
            Line::Checkpoint(_) => return Err(chain.misplaced("checkpoint")),
            Line::Key(_) => return Err(chain.misplaced("key")),
            Line::Policy(_) => return Err(chain.misplaced("policy")),
            Line::Ledger(_) => return Err(chain.misplaced("ledger")),
            Line::Entry(_) => return Err(chain.misplaced("entry")),
            Line::Missing(_) => return Err(chain.misplaced("missing")),
            Line::Manifest(_) => return Err(chain.misplaced("manifest")),
        }
    }
    chain.end()
}

impl Chain {
    /// The check of the chain of `group` (0 for the control group) of `cluster`, from its first line on.
    #[must_use]
    pub fn new(cluster: Cluster, group: u64) -> Self {
        Self::with(cluster, group, None, Trust::new(VecDeque::new(), (group, 0), None))
    }

    /// The same, of this generation of the cluster, held against checkpoints.
    pub(crate) fn with(cluster: Cluster, group: u64, generation: Option<u64>, trust: Trust) -> Self {
        Self {
            cluster,
            group,
            generation,
            line: 0,
            open: None,
            last: None,
            first: (0, 0),
            time_ms: 0,
            genesis: None,
            members: Members::default(),
            anchors: Anchors::default(),
            facts: Facts::default(),
            tree: Frontier::default(),
            voting: Voting::default(),
            trust,
            records: 0,
            batches: 0,
        }
    }

    /// Takes a batch line.
    ///
    /// # Errors
    /// That something does not hold, and where.
    pub fn batch(&mut self, batch: Batch) -> Result<(), Failure> {
        self.line += 1;
        if self.open.is_some() {
            return Err(self.here(What::Misplaced { found: "batch", wanted: "a record" }));
        }
        self.check_index(batch.index).map_err(|what| self.here(what))?;
        self.batches += 1;
        let open = Open::new(batch, self.line);
        self.take(open)
    }

    /// Takes a record line.
    ///
    /// # Errors
    /// That something does not hold, and where.
    pub fn record(&mut self, record: Record) -> Result<(), Failure> {
        self.line += 1;
        self.check_link(&record).map_err(|what| self.here(what))?;
        match self.open.take() {
            Some(mut open) => {
                open.take(record, self.last_term(), self.line)?;
                self.take(open)
            }
            None => {
                self.raft(&record).map_err(|what| self.here(what))?;
                self.entry_ended([&record])
            }
        }
    }

    /// Ends the chain.
    ///
    /// # Errors
    /// That its end is missing, or its beginning.
    pub fn end(&self) -> Result<Report, Failure> {
        let missing = |what| Failure { line: self.line + 1, what };
        if self.open.is_some() {
            return Err(missing(What::Missing { wanted: "a record" }));
        }
        let (Some(genesis), Some(last)) = (&self.genesis, &self.last) else { return Err(missing(What::NoGenesis)) };
        let (witnessed, weakest) = self.trust.end(|node| self.name(node).to_owned())?;
        let covered = witnessed.as_ref().map_or(0, |witnessed| witnessed.records);
        Ok(Report {
            cluster: self.cluster.to_string(),
            cluster_name: genesis.name.clone(),
            anchor: genesis.anchor.to_string(),
            anchored: false,
            records: self.records,
            batches: self.batches,
            head: last.hash.to_string(),
            first_index: self.first.0,
            last_index: last.index,
            first_term: self.first.1,
            last_term: last.term,
            nodes: self.members.names().count() as u64,
            generation: 0,
            exporter: String::new(),
            after: self.tree.size().saturating_sub(covered),
            witnessed,
            weakest,
            ledgers: Summary::default(),
        })
    }

    /// The line of the genesis' batch, and the cluster's anchor.
    pub(crate) fn anchor(&self) -> Option<(u64, Hex<32>)> {
        self.genesis.as_ref().map(|genesis| (genesis.line, genesis.anchor))
    }

    /// The hash of the last record.
    pub(crate) fn head(&self) -> Option<Hex<32>> {
        self.last.as_ref().map(|last| last.hash)
    }

    /// SHA-256 of each policy set that the chain made, by number.
    pub(crate) fn policies(&self) -> BTreeMap<u64, Hex<32>> {
        let first = self.genesis.iter().map(|genesis| (1, genesis.policies));
        first.chain(self.facts.policies().map(|(number, hash)| (*number, *hash))).collect()
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> Cluster {
        self.cluster
    }

    /// The domain of the names in credentials.
    pub(crate) fn domain(&self) -> &str {
        self.genesis.as_ref().map_or("", |genesis| &genesis.domain)
    }

    /// How far ledgers had come.
    pub(crate) fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// What the chain says beside its members and anchors.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The P-256 keys with which a node has issued credentials, the current one last.
    pub(crate) fn credential_keys(&self, node: &Hex<32>) -> &[Hex<65>] {
        self.members.keys(node)
    }

    /// A node's name; empty if it was never enrolled.
    pub(crate) fn name(&self, node: &Hex<32>) -> &str {
        self.members.name(node)
    }

    /// Every node that was ever enrolled, with its name, by id.
    pub(crate) fn nodes(&self) -> Vec<(Hex<32>, String)> {
        self.members.names().map(|(node, name)| (*node, name.to_owned())).collect()
    }

    /// Whether a node is a member now: who has not finished joining serves nobody an export.
    pub(crate) fn is_member(&self, node: &Hex<32>) -> bool {
        self.members.is_member(node)
    }

    pub(crate) fn misplaced(&self, found: &'static str) -> Failure {
        Failure { line: self.line + 1, what: What::Misplaced { found, wanted: "a batch or a record" } }
    }

    fn here(&self, what: What) -> Failure {
        Failure { line: self.line, what }
    }

    /// Judges a batch when it is whole, and keeps it until then.
    fn take(&mut self, open: Open) -> Result<(), Failure> {
        if open.is_whole() {
            return self.close(open);
        }
        self.open = Some(open);
        Ok(())
    }

    fn last_term(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.term)
    }

    /// Entries follow each other without a gap.
    fn check_index(&self, found: u64) -> Result<(), What> {
        let Some(last) = &self.last else { return Ok(()) };
        let wanted = last.index.checked_add(1).ok_or(What::Greatest("entry"))?;
        if found == wanted { Ok(()) } else { Err(What::Index { found, wanted }) }
    }

    /// Takes the end of an entry that was judged: its records are in the tree now, and a checkpoint may have been closed.
    fn entry_ended<'r>(&mut self, records: impl IntoIterator<Item = &'r Record>) -> Result<(), Failure> {
        if self.genesis.is_some() {
            records.into_iter().for_each(|record| self.tree.append(leaf(&record.hash.0)));
        }
        let (size, voting) = (self.tree.size(), std::mem::take(&mut self.voting));
        let Some(last) = self.last.as_ref().filter(|_| voting != Voting::default() || self.trust.wants(size)) else {
            return Ok(());
        };
        let (root, head, time_ms) = (self.tree.root(), last.hash, self.time_ms);
        let place = Place { size, root, head, line: self.line, index: last.index, term: last.term, time_ms };
        self.trust.entry(self.cluster, &place, voting)
    }

    /// A record is what its hash says, and follows the one before it.
    fn check_link(&mut self, record: &Record) -> Result<(), What> {
        let previous = self.open.as_ref().and_then(Open::head).or_else(|| self.head()).unwrap_or(Hex([0; 32]));
        if record.previous != previous {
            return Err(What::Previous);
        }
        if record.digest() != record.hash {
            return Err(What::Hash);
        }
        if self.records == 0 {
            self.first = (record.index, record.term);
        }
        self.records += 1;
        Ok(())
    }

    /// A record of an entry of Raft's own: alone at its index, without a batch.
    fn raft(&mut self, record: &Record) -> Result<(), What> {
        self.check_index(record.index)?;
        if record.position != 0 {
            return Err(What::Position { found: record.position, wanted: 0 });
        }
        if record.term < self.last_term() {
            return Err(What::Term { found: record.term, before: self.last_term() });
        }
        let is_own = record.kind.starts_with("raft.") && record.code == DONE && record.command == Hex([0; 32]);
        // What an entry was that nobody could read is known by its hash alone, and did nothing.
        let is_unreadable = record.kind == UNREADABLE && record.code == UNREADABLE_CODE && record.details.is_empty();
        let is_rafts = record.origin == Origin::Raft
            && (is_own || is_unreadable)
            && record.actor == RAFT
            && record.subject == format!("group:{}", self.group)
            && record.values.is_empty()
            && record.request.is_empty()
            && record.decision.is_empty()
            && record.policy_set == 0;
        if !is_rafts {
            return Err(What::Raft);
        }
        if record.time_ms != self.time_ms {
            return Err(What::Time { found: record.time_ms, wanted: self.time_ms });
        }
        self.last = Some(Last { index: record.index, term: record.term, hash: record.hash });
        Ok(())
    }
}
