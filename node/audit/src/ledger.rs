//! A node's ledger, checked entry by entry: its chain, its anchors in the audit chain, the signatures in it.
//!
//! What two ledgers say of one message is held against each other in [`sides`].

pub(crate) mod credential;
pub(crate) mod sides;

use crate::chain::{Anchor, Chain};
use crate::failure::What;
use crate::hex::Hex;
use crate::line::ledger::{Attestation, Entry, Event, Fate, LedgerHeader, MessageBatch, Missing, Session};
use crate::summary::MissingLedger;
use crate::tree::{Frontier, leaf, root};
use sides::{Key, Sides, Standing};
use std::collections::BTreeMap;

/// A ledger lets entries go only while it keeps so many that are anchored.
const KEPT: u64 = 1 << 20;
/// So many batches of a direction at most are ahead of one that they follow.
const AHEAD: usize = 1_024;
/// The most messages in a batch.
const BATCH: usize = 64;

/// The check of one ledger under way.
pub(crate) struct Check<'c> {
    /// The chain that it is held against.
    chain: &'c Chain,
    /// Whose ledger it is.
    node: Hex<32>,
    /// The number of the last entry.
    number: u64,
    /// The hash of the last entry.
    head: Hex<32>,
    /// The time of the last entry.
    time_ms: u64,
    /// How much was let go before its first entry.
    after: u64,
    /// The time of its first entry.
    first_ms: u64,
    /// When it may have lost entries: from and until, ms.
    silences: Vec<(u64, u64)>,
    /// The anchors still to come.
    anchors: &'c [Anchor],
    /// How many entries are anchored in all.
    anchored: u64,
    /// The tree over all entries, those that were let go too.
    tree: Frontier,
    /// The sessions in it.
    sessions: BTreeMap<Hex<16>, Open>,
}

/// A session, as one ledger has it.
struct Open {
    /// Whether the ledger's node began it.
    began: bool,
    /// The other side's node.
    peer: Hex<32>,
    /// Messages from here.
    out: Direction,
    /// Messages to here.
    home: Direction,
}

/// One direction of a session.
struct Direction {
    /// The name of the sender.
    sender: String,
    /// Its epoch.
    epoch: u64,
    /// The key of its signatures.
    key: Hex<32>,
    /// The number of the next batch.
    batch: u64,
    /// The sequence of its first message.
    first: u64,
    /// The hash of the batch before it; none after a gap.
    previous: Option<Hex<32>>,
    /// Batches that came before those that they follow: several threads check signatures.
    ahead: BTreeMap<u64, Link>,
}

/// How a batch is linked to others.
struct Link {
    /// The sequence of its first message.
    first: u64,
    /// The sequence of its last message.
    last: u64,
    /// The hash of the batch before it.
    previous: Hex<32>,
    /// Its own.
    hash: Hex<32>,
}

impl<'c> Check<'c> {
    /// Begins with a ledger's line.
    pub(crate) fn new(chain: &'c Chain, ledger: &LedgerHeader) -> Result<Self, What> {
        let all = chain.anchors().of(&ledger.node);
        let anchored = all.last().map_or(0, |anchor| anchor.entries);
        let from = all.partition_point(|anchor| anchor.entries <= ledger.after);
        let not_let_go = What::LetGo { after: ledger.after };
        let Some(tree) = Frontier::of(ledger.after, ledger.whole.clone()) else { return Err(not_let_go) };
        if ledger.after > 0 {
            let gone = Anchor { entries: ledger.after, head: ledger.previous, root: tree.root() };
            let is_known = from.checked_sub(1).is_some_and(|at| all[at] == gone);
            if !is_known || anchored.saturating_sub(ledger.after) < KEPT {
                return Err(not_let_go);
            }
        } else if ledger.previous != Hex([0; 32]) {
            return Err(not_let_go);
        }
        Ok(Self {
            chain,
            node: ledger.node,
            number: ledger.after,
            head: ledger.previous,
            time_ms: 0,
            after: ledger.after,
            first_ms: 0,
            silences: Vec::new(),
            anchors: &all[from..],
            anchored,
            tree,
            sessions: BTreeMap::new(),
        })
    }

    /// Takes the next entry, at a line of the bundle.
    pub(crate) fn entry(&mut self, entry: &Entry, line: u64, sides: &mut Sides) -> Result<(), What> {
        let wanted = self.number.checked_add(1).ok_or(What::Greatest("entry"))?;
        if entry.number != wanted {
            return Err(What::Number { found: entry.number, wanted });
        }
        if entry.digest(&self.head) != entry.hash {
            return Err(What::Unchained);
        }
        if entry.time_ms < self.time_ms {
            return Err(What::Event("its time falls"));
        }
        if self.number == self.after {
            self.first_ms = entry.time_ms;
        }
        self.event(entry, line, sides)?;
        (self.number, self.head, self.time_ms) = (entry.number, entry.hash, entry.time_ms);
        self.tree.append(leaf(&entry.hash.0));
        if let Some((anchor, rest)) = self.anchors.split_first().filter(|(anchor, _)| anchor.entries == entry.number) {
            if anchor.head != entry.hash || anchor.root != self.tree.root() {
                return Err(What::NotAnchored { entries: anchor.entries });
            }
            self.anchors = rest;
        }
        Ok(())
    }

    /// Ends it: how it stands, and whether something is missing at its end.
    pub(crate) fn end(self, sides: &mut Sides, line: u64) {
        sides.summary.ledgers += 1;
        sides.summary.entries += self.number.saturating_sub(self.after);
        sides.summary.unanchored += self.number.saturating_sub(self.anchored);
        if let Some(anchor) = self.anchors.first() {
            sides.cut(line, What::Cut { node: self.node, entries: self.number, anchored: anchor.entries });
        }
        if let Some(batch) = self.sessions.values().find_map(Open::unlinked) {
            sides.cut(line, What::BatchLink { batch });
        }
        let let_go_until = (self.after > 0).then_some(self.first_ms);
        sides.stands(self.node, Standing::Here { let_go_until, silences: self.silences });
    }

    fn event(&mut self, entry: &Entry, line: u64, sides: &mut Sides) -> Result<(), What> {
        let is_covered = entry.number <= self.anchored;
        match &entry.event {
            Event::Started(_) | Event::Gap(_) => {
                if self.number > 0 {
                    self.silences.push((self.time_ms, entry.time_ms));
                }
                // What a gap took may have been batches: the next ones of each session follow something unknown.
                self.sessions.values_mut().for_each(Open::forget_previous);
                Ok(())
            }
            Event::Session(session) => self.session(session),
            Event::Sent(batch) => {
                let Some((key, peer)) = self.batch(batch, true, sides)? else { return Ok(()) };
                sides.sent(key, sides::Side::new(self.node, peer, batch, entry.time_ms, line, is_covered))
            }
            Event::Received(batch) if batch.attestation.is_none() => self.unattested(batch, sides),
            Event::Received(batch) => {
                let Some((key, peer)) = self.batch(batch, false, sides)? else { return Ok(()) };
                sides.received(key, sides::Side::new(self.node, peer, batch, entry.time_ms, line, is_covered))
            }
            Event::Ended(ended) => {
                let Some(open) = self.sessions.get(&ended.session) else { return self.known(&ended.session) };
                let was_sent = ended.batch < open.out.batch || open.out.ahead.contains_key(&ended.batch);
                if !was_sent && open.out.previous.is_some() {
                    return Err(What::Event("messages end that were not sent"));
                }
                let taken = ended.ends.iter().filter(|end| end.fate == Fate::Taken && is_covered);
                let taken = taken.map(|end| (end.sequence, end.message)).collect();
                sides.taken(&Key { session: ended.session, began: open.began, batch: ended.batch }, taken);
                Ok(())
            }
            Event::Local(_) | Event::Denied(_) => Ok(()),
        }
    }

    /// Without its session an entry makes no sense, unless that was let go.
    fn known(&self, session: &Hex<16>) -> Result<(), What> {
        if self.after > 0 { Ok(()) } else { Err(What::NoSession { session: *session }) }
    }

    fn session(&mut self, session: &Session) -> Result<(), What> {
        let names = (session.name.as_str(), session.peer_name.as_str());
        let direction = |sender: &str, receiver: &str, epoch, node: &Hex<32>, token: &str| {
            let key =
                credential::verify(self.chain, node, token, (sender, receiver), epoch).map_err(What::Credential)?;
            let (sender, previous, ahead) = (sender.to_owned(), Some(Hex([0; 32])), BTreeMap::new());
            Ok(Direction { sender, epoch, key, batch: 0, first: 0, previous, ahead })
        };
        let open = Open {
            began: session.began,
            peer: session.peer,
            out: direction(names.0, names.1, session.epoch, &self.node, &session.credential)?,
            home: direction(names.1, names.0, session.peer_epoch, &session.peer, &session.peer_credential)?,
        };
        match self.sessions.insert(session.session, open) {
            Some(_) => Err(What::Event("the session stands already")),
            None => Ok(()),
        }
    }

    /// Checks a signed batch; by what it is known on both sides, and the other side's node. None if it cannot be checked.
    fn batch(
        &mut self,
        batch: &MessageBatch,
        is_sent: bool,
        sides: &mut Sides,
    ) -> Result<Option<(Key, Hex<32>)>, What> {
        let Some(attestation) = &batch.attestation else { return Err(What::Event("a batch was sent unsigned")) };
        check_messages(batch, attestation, is_sent)?;
        let cluster = self.chain.cluster();
        let Some(open) = self.sessions.get_mut(&batch.session) else {
            sides.summary.unverified += 1;
            return self.known(&batch.session).map(|()| None);
        };
        let (began, way) = if is_sent { (open.began, &mut open.out) } else { (!open.began, &mut open.home) };
        way.follow(cluster, &batch.session, attestation)?;
        sides.summary.attested += 1;
        Ok(Some((Key { session: batch.session, began, batch: attestation.batch }, open.peer)))
    }

    fn unattested(&mut self, batch: &MessageBatch, sides: &mut Sides) -> Result<(), What> {
        let Some(open) = self.sessions.get(&batch.session) else { return self.known(&batch.session) };
        sides.summary.unattested += batch.messages.len() as u64;
        for message in &batch.messages {
            sides.unattested(batch.session, !open.began, message.sequence);
        }
        Ok(())
    }
}

/// The messages are those that the attestation is over.
fn check_messages(batch: &MessageBatch, attestation: &Attestation, is_sent: bool) -> Result<(), What> {
    let count = batch.messages.len();
    if count == 0 || count > BATCH {
        return Err(What::Event("a batch has 1 to 64 messages"));
    }
    let in_line = (attestation.first..=attestation.last).eq(batch.messages.iter().map(|message| message.sequence));
    if !in_line {
        return Err(What::Event("the sequences of the messages are not those of the batch"));
    }
    if batch.messages.iter().any(|message| (message.fate == Fate::Sent) != is_sent) {
        return Err(What::Event("what became of a message does not fit its side"));
    }
    let leaves: Vec<_> = batch.messages.iter().map(crate::line::ledger::Message::leaf).collect();
    if root(&leaves) != attestation.root {
        return Err(What::BatchRoot);
    }
    Ok(())
}

impl Open {
    fn forget_previous(&mut self) {
        for direction in [&mut self.out, &mut self.home] {
            direction.previous = None;
            direction.ahead.clear();
        }
    }

    /// The first batch that follows one that never came.
    fn unlinked(&self) -> Option<u64> {
        [&self.out, &self.home].into_iter().find_map(|direction| direction.ahead.keys().next().copied())
    }
}

impl Direction {
    /// Takes a batch of this direction.
    fn follow(
        &mut self,
        cluster: crate::line::Cluster,
        session: &Hex<16>,
        attestation: &Attestation,
    ) -> Result<(), What> {
        let batch = attestation.batch;
        if attestation.epoch != self.epoch {
            return Err(What::BatchSignature { batch });
        }
        let hash = attestation.verify(cluster, &self.sender, &self.key, session);
        let hash = hash.ok_or(What::BatchSignature { batch })?;
        let link = Link { first: attestation.first, last: attestation.last, previous: attestation.previous, hash };
        if batch > self.batch && self.previous.is_some() && self.ahead.len() < AHEAD {
            return match self.ahead.insert(batch, link) {
                None => Ok(()),
                Some(_) => Err(What::BatchLink { batch }),
            };
        }
        self.append(batch, link)?;
        while let Some(link) = self.ahead.remove(&self.batch) {
            self.append(self.batch, link)?;
        }
        Ok(())
    }

    /// Appends a batch to the one before it.
    fn append(&mut self, batch: u64, link: Link) -> Result<(), What> {
        let follows = match self.previous {
            Some(previous) => (batch, link.first, link.previous) == (self.batch, self.first, previous),
            None => batch >= self.batch && link.first >= self.first,
        };
        if !follows {
            return Err(What::BatchLink { batch });
        }
        let following = batch.checked_add(1).zip(link.last.checked_add(1));
        let (next, first) = following.ok_or(What::Greatest("batch of messages"))?;
        (self.batch, self.first, self.previous) = (next, first, Some(link.hash));
        Ok(())
    }
}

/// Checks that a missing ledger is said to have what the chain has anchored of it.
pub(crate) fn missing(chain: &Chain, missing: &Missing, sides: &mut Sides) -> Result<(), What> {
    let last = chain.anchors().of(&missing.node).last();
    let anchored = last.map_or((0, Hex([0; 32])), |anchor| (anchor.entries, anchor.head));
    if (missing.entries, missing.head) != anchored {
        return Err(What::NotAnchored { entries: anchored.0 });
    }
    let (node, head) = (chain.name(&missing.node).to_owned(), missing.head.to_string());
    sides.summary.missing.push(MissingLedger { node, entries: missing.entries, head });
    sides.stands(missing.node, Standing::Missing);
    Ok(())
}
