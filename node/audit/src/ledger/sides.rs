//! What two ledgers say of one message, held against each other.
//!
//! A batch that was received must be in its sender's ledger, and one that the receiver's node said it has taken in must be in
//! the receiver's. Judged is what an anchor covers on the side that has it: it was there before any ledger was asked for the
//! bundle, so the other side's ledger, asked later, has it too. What may be one-sided in an honest cluster is counted: a
//! message that never arrived, one whose other side's ledger is missing or begins later, and one of the moments that a node
//! lost when its power or its process was cut, which its ledger shows.
//!
//! *Caveats.* Until its other side comes each batch is kept, some 200 bytes.

use crate::chain::Chain;
use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::line::Uuid;
use crate::line::ledger::MessageBatch;
use crate::summary::Summary;
use std::collections::{BTreeMap, BTreeSet};

/// How far the clocks of two nodes may be apart when it is asked whether something happened while one was silent, ms.
const SKEW_MS: u64 = 30_000;

/// A batch, by what both sides know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The session.
    pub(crate) session: Hex<16>,
    /// Whether its sender began the session.
    pub(crate) began: bool,
    /// Its number.
    pub(crate) batch: u64,
}

/// What one ledger says of a batch.
#[derive(Debug)]
pub(crate) struct Side {
    /// Whose ledger.
    node: Hex<32>,
    /// The other side's node.
    peer: Hex<32>,
    /// The root over its messages.
    root: Hex<32>,
    /// Its first message.
    message: Uuid,
    /// When, by that ledger.
    time_ms: u64,
    /// The line of the bundle.
    line: u64,
    /// Whether an anchor covers it.
    is_covered: bool,
    /// The messages that the other side is said to have taken in.
    taken: Vec<(u64, Uuid)>,
}

/// How a node's ledger is in the bundle.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is there.
    Here {
        /// Before this time of its first entry it has let others go; none if it is whole.
        let_go_until: Option<u64>,
        /// When it may have lost entries: from and until, ms.
        silences: Vec<(u64, u64)>,
    },
    /// It is missing.
    Missing,
}

/// All ledgers so far.
#[derive(Debug, Default)]
pub(crate) struct Sides {
    /// What was found.
    pub(crate) summary: Summary,
    /// Batches that were sent, and whose other side has not come.
    sent: BTreeMap<Key, Side>,
    /// Batches that were received, and whose other side has not come.
    received: BTreeMap<Key, Side>,
    /// Messages that were taken in unsigned: session, whether its sender began it, sequence.
    unattested: BTreeSet<(Hex<16>, bool, u64)>,
    /// How each ledger is here.
    standing: BTreeMap<Hex<32>, Standing>,
    /// The first ledger whose end is missing.
    cut: Option<Failure>,
}

impl Side {
    pub(crate) fn new(
        node: Hex<32>,
        peer: Hex<32>,
        batch: &MessageBatch,
        time_ms: u64,
        line: u64,
        is_covered: bool,
    ) -> Self {
        let root = batch.attestation.as_ref().map_or(Hex([0; 32]), |attestation| attestation.root);
        let message = batch.messages.first().map_or(Uuid([0; 16]), |message| message.message);
        Self { node, peer, root, message, time_ms, line, is_covered, taken: Vec::new() }
    }

    /// Whether the two are of one batch between the same nodes.
    fn fits(&self, other: &Self) -> Result<(), What> {
        if (self.node, self.peer, self.root) == (other.peer, other.node, other.root) {
            return Ok(());
        }
        Err(What::TwoFaced { message: self.message })
    }
}

impl Sides {
    /// A batch that was sent.
    pub(crate) fn sent(&mut self, key: Key, side: Side) -> Result<(), What> {
        match self.received.remove(&key) {
            Some(received) => {
                self.summary.two_sided += 1;
                side.fits(&received)
            }
            None => match self.sent.insert(key, side) {
                Some(twice) => Err(What::TwoFaced { message: twice.message }),
                None => Ok(()),
            },
        }
    }

    /// A batch that was received.
    pub(crate) fn received(&mut self, key: Key, side: Side) -> Result<(), What> {
        match self.sent.remove(&key) {
            Some(sent) => {
                self.summary.two_sided += 1;
                side.fits(&sent)
            }
            None => match self.received.insert(key, side) {
                Some(twice) => Err(What::TwoFaced { message: twice.message }),
                None => Ok(()),
            },
        }
    }

    /// A message that was taken in unsigned.
    pub(crate) fn unattested(&mut self, session: Hex<16>, began: bool, sequence: u64) {
        self.unattested.insert((session, began, sequence));
    }

    /// Messages of a batch that the other side's node says it has taken in.
    pub(crate) fn taken(&mut self, key: &Key, taken: Vec<(u64, Uuid)>) {
        if let Some(sent) = self.sent.get_mut(key) {
            sent.taken.extend(taken);
        }
    }

    /// How a node's ledger is here.
    pub(crate) fn stands(&mut self, node: Hex<32>, standing: Standing) {
        self.standing.insert(node, standing);
    }

    /// A ledger whose end is missing. What is told is the first message that it should have, if there is one.
    pub(crate) fn cut(&mut self, line: u64, what: What) {
        self.cut.get_or_insert(Failure { line, what });
    }

    /// Ends it: the first message that only one side has and that both must have, or a ledger whose end is missing.
    pub(crate) fn end(mut self, chain: &Chain) -> Result<Summary, Failure> {
        let (sent, received) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.received));
        let sent = sent.iter().filter_map(|(key, side)| self.judge_sent(chain, key, side));
        let mut found: Vec<Failure> = sent.collect::<Vec<_>>();
        found.extend(received.values().filter_map(|side| self.judge(chain, side, side.message)));
        match found.into_iter().min_by_key(|failure| failure.line).or(self.cut) {
            Some(failure) => Err(failure),
            None => Ok(self.summary),
        }
    }

    /// A batch that was sent: wanted on the other side only if that was said to have taken it in.
    fn judge_sent(&mut self, chain: &Chain, key: &Key, side: &Side) -> Option<Failure> {
        let unsigned = |sequence: u64| self.unattested.contains(&(key.session, key.began, sequence));
        match side.taken.iter().find(|(sequence, _)| !unsigned(*sequence)) {
            Some((_, message)) => self.judge(chain, side, *message),
            None => {
                self.summary.unconfirmed += 1;
                None
            }
        }
    }

    /// A message that only one side has.
    fn judge(&mut self, chain: &Chain, side: &Side, message: Uuid) -> Option<Failure> {
        let standing = self.standing.get(&side.peer);
        let Some(Standing::Here { let_go_until, silences }) = standing else {
            self.summary.one_sided += 1;
            return None;
        };
        let at = side.time_ms;
        let is_let_go = let_go_until.is_some_and(|until| at < until.saturating_add(SKEW_MS));
        let in_silence =
            |(from, until): &(u64, u64)| (from.saturating_sub(SKEW_MS)..=until.saturating_add(SKEW_MS)).contains(&at);
        if !side.is_covered || is_let_go || silences.iter().any(in_silence) {
            self.summary.excused += 1;
            return None;
        }
        let (has, lacks) = (chain.name(&side.node).to_owned(), chain.name(&side.peer).to_owned());
        Some(Failure { line: side.line, what: What::OneSided { message, has, lacks } })
    }
}
