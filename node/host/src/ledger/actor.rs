//! The writer: chains what is recorded, hands it to the storage in batches, says how far that is synced, and takes note of what of it
//! the audit chain has.

use super::anchor::Anchoring;
use super::disk::{self, Disk, Error, Head, KEPT, Retired};
use super::ports::Ports;
use super::queue::{Counts, Message};
use super::{decisions, find, keys};
use crate::observer::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_model::ledger::{Anchored, Entry, Line, Tip};
use symbi_model::planted::{self, Defect};
use symbi_model::{Hash, NodeId, codec};
use symbi_store::WriteBatch;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Messages that are taken from the queue at once.
const TAKEN: usize = 256;
/// Lines are handed to the storage when they have so many bytes, if not before for a question.
const FLUSH_BYTES: usize = 256 * 1024;
/// And after this time at the latest: so much a process that is killed loses.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// With so many batches that the storage has not synced nothing more is taken from the queue.
const GIVEN: u64 = 16;
/// How long the storage has for the last lines when the node stops.
const LAST_SYNC: Duration = Duration::from_secs(5);
/// Far enough for "nothing is due".
const LATER: Duration = Duration::from_secs(3_600);

/// The writer of a ledger.
///
/// Invariants:
/// - lines are numbered without a gap, each chained to the one before it, across starts too;
/// - lines are told to be synced only when the storage has synced them;
/// - lines are let go only up to an anchor that the state was seen to have.
pub(super) struct Actor {
    /// The surroundings.
    ports: Ports,
    /// What is asked.
    messages: mpsc::UnboundedReceiver<Message>,
    /// What the handles count too.
    counts: Arc<Counts>,
    /// Ends it.
    stop: CancellationToken,
    /// The disk.
    disk: Disk,
    /// This node.
    node: NodeId,
    /// The time of the last line.
    time_ms: u64,
    /// How far old lines were let go.
    retired: Retired,
    /// Whether this start has its line.
    started: bool,
    /// Lines that the storage does not have yet, and rows that go with them.
    fresh: WriteBatch,
    /// How long they are.
    fresh_bytes: usize,
    /// When the first of them came.
    fresh_since: Option<Instant>,
    /// How many batches the storage was given.
    given: u64,
    /// How many of them it has synced.
    synced: u64,
    /// Says that the storage has synced one more.
    durable: mpsc::UnboundedReceiver<Result<(), symbi_store::Error>>,
    /// The other end of that.
    on_durable: mpsc::UnboundedSender<Result<(), symbi_store::Error>>,
    /// Questions that wait until so many batches are synced.
    questions: Vec<(u64, Message)>,
    /// How far all lines are synced, and anchored.
    anchoring: Anchoring,
}

impl Actor {
    /// Goes on from the last line on disk.
    pub(super) fn open(
        ports: Ports,
        messages: mpsc::UnboundedReceiver<Message>,
        counts: Arc<Counts>,
        synced: watch::Sender<Option<Tip>>,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let disk = Disk { engine: Arc::clone(&ports.engine) };
        let (last, before) = (disk.last()?, disk.before()?);
        let (number, head, time_ms) =
            last.as_ref().map_or((0, Hash::default(), 0), |line| (line.number, line.hash, line.time_ms));
        if let Some(line) = last.filter(|line| line.digest() != line.hash) {
            return Err(Error::Damaged { number: line.number, reason: "it is not what its hash says".to_owned() });
        }
        let anchoring = Anchoring::new(disk.tree(&before, number)?, head, disk.anchored()?, synced);
        let node = NodeId(ports.key.verifying_key().to_bytes());
        let (on_durable, durable) = mpsc::unbounded_channel();
        Ok(Self {
            ports,
            messages,
            counts,
            stop,
            disk,
            node,
            time_ms,
            retired: Retired::new(before),
            started: false,
            fresh: WriteBatch::new(),
            fresh_bytes: 0,
            fresh_since: None,
            given: 0,
            synced: 0,
            durable,
            on_durable,
            questions: Vec::new(),
            anchoring,
        })
    }

    /// Writes until it is stopped, or until nobody holds a handle.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let (stop, mut taken) = (self.stop.clone(), Vec::with_capacity(TAKEN));
        self.compare()?;
        // Of what an earlier start wrote it is not known whether it was synced.
        self.flush();
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.finish().await,
                Some(result) = self.durable.recv() => self.durable(result)?,
                Ok(()) = self.ports.state.changed() => self.compare()?,
                () = sleep_until(wake) => {}
                count = self.messages.recv_many(&mut taken, TAKEN), if self.given - self.synced < GIVEN => {
                    if count == 0 {
                        return self.finish().await;
                    }
                    taken.drain(..).for_each(|message| self.take(message));
                }
            }
            self.advance();
        }
    }

    /// When something is due that nobody asks for.
    fn wake(&self) -> Instant {
        let flush = self.fresh_since.filter(|_| !planted::active(Defect::AnchorBeforeSync));
        flush.map_or_else(|| Instant::now() + LATER, |since| since + FLUSH_EVERY)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(entry) => {
                self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                self.start();
                self.chain(*entry);
            }
            question => self.questions.push((self.given + 1, question)),
        }
    }

    /// What was counted out while there was no room is a line, as soon as there is.
    fn own_up(&mut self) {
        let lost = self.counts.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(lost, "the queue before the ledger was full: entries were not taken");
            self.start();
            self.chain(Entry::Gap { lost });
        }
    }

    /// The first line of this start: with it begins what the last one may have lost.
    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.chain(Entry::Started { boot: self.ports.boot });
        }
    }

    fn chain(&mut self, entry: Entry) {
        self.time_ms = self.time_ms.max((self.ports.wall_ms)());
        let line = Line::chained(self.anchoring.last() + 1, self.time_ms, entry, self.anchoring.head());
        self.fresh_bytes += disk::put(&mut self.fresh, &line);
        self.fresh_since.get_or_insert_with(Instant::now);
        self.anchoring.push(line.hash);
        debug_assert_eq!(self.anchoring.last(), line.number, "every line is in the tree");
    }

    /// Does what has become possible.
    fn advance(&mut self) {
        self.own_up();
        self.counts.held.store(self.anchoring.is_full(), Ordering::Relaxed);
        if planted::active(Defect::AnchorBeforeSync) {
            self.anchoring.say_unsynced();
        }
        let now = Instant::now();
        let is_old = self.fresh_since.is_some_and(|since| since + FLUSH_EVERY <= now)
            && !planted::active(Defect::AnchorBeforeSync);
        if is_old || self.fresh_bytes >= FLUSH_BYTES || self.questions.iter().any(|(after, _)| *after > self.given) {
            self.flush();
        }
    }

    /// Hands the storage what it does not have yet, an empty batch too: whoever waits for it learns that all before is synced.
    fn flush(&mut self) {
        self.let_go();
        if self.fresh_since.is_some() {
            self.fresh.put(keys::tree(), codec::encode(self.anchoring.tree()));
        }
        let (batch, told) = (std::mem::take(&mut self.fresh), self.on_durable.clone());
        (self.fresh_bytes, self.fresh_since) = (0, None);
        self.given += 1;
        self.anchoring.given(self.given);
        // A writer that has ended needs to be told nothing.
        self.ports.engine.append(batch, Box::new(move |result| drop(told.send(result))));
    }

    /// The storage has synced one more batch.
    fn durable(&mut self, result: Result<(), symbi_store::Error>) -> Result<(), Error> {
        result?;
        self.synced += 1;
        let synced = self.synced;
        let said = self.anchoring.synced(synced);
        let skips = |tip: &Tip| planted::active(Defect::AnchorAssumed) && tip.entries > self.anchoring.anchored();
        if let Some(tip) = said.filter(skips) {
            self.anchored(tip.entries, tip.head, (0, 0));
        }
        for (_, question) in self.questions.extract_if(.., |(after, _)| *after <= synced).collect::<Vec<_>>() {
            self.answer(question);
        }
        Ok(())
    }

    fn answer(&self, question: Message) {
        // Whoever has gone away waits for no answer.
        match question {
            Message::Record(_) => unreachable!("recorded, not asked"),
            Message::Find(prefix, reply) => drop(reply.send(find::sightings(&self.disk, self.node, &prefix))),
            Message::Lines(from, reply) => drop(reply.send(self.disk.chunk(from))),
            Message::Verdict(decision, reply) => drop(reply.send(self.disk.verdict(&decision))),
            Message::Decisions(wanted, reply) => drop(reply.send(decisions::portion(&self.disk, &wanted))),
            Message::Allowed(decision, line, reply) => {
                drop(reply.send(decisions::allowed(&self.disk, self.node, decision, line)));
            }
        }
    }

    /// Compares what the cluster has with what is here, and takes note of it.
    fn compare(&mut self) -> Result<(), Error> {
        let anchored = self.ports.state.borrow_and_update().ledgers.get(&self.node).copied();
        let Some(Anchored { anchor, index, position, .. }) = anchored else { return Ok(()) };
        let (entries, kept) = (anchor.entries, self.anchoring.last());
        if entries > kept {
            (self.ports.observer)(Event::LedgerLost { anchored: entries, kept });
            return Err(Error::Lost { anchored: entries, kept });
        }
        if entries <= self.anchoring.anchored() {
            return Ok(());
        }
        if self.disk.line(entries)?.is_some_and(|line| line.hash != anchor.head) {
            let reason = "the audit chain has an anchor of another line".to_owned();
            return Err(Error::Damaged { number: entries, reason });
        }
        self.anchored(entries, anchor.head, (index, position));
        Ok(())
    }

    /// The cluster has an anchor of so many lines, by the record of this index and position.
    fn anchored(&mut self, entries: u64, hash: Hash, (index, position): (u64, u32)) {
        self.anchoring.done(entries);
        self.fresh.put(keys::head(entries), codec::encode(&Head { hash, index, position }));
        (self.ports.observer)(Event::LedgerAnchored { entries });
    }

    /// Lets old lines go, one step with each batch.
    fn let_go(&mut self) {
        match self.disk.let_go(&self.retired, self.anchoring.anchored(), KEPT, &mut self.fresh) {
            Ok(retired) => self.retired = retired,
            Err(error) => tracing::error!(%error, "old lines of the ledger stay"),
        }
    }

    /// Hands the storage everything that was recorded, and waits for it.
    async fn finish(mut self) -> Result<(), Error> {
        while let Ok(message) = self.messages.try_recv() {
            self.take(message);
        }
        self.own_up();
        self.flush();
        let synced = async {
            while self.synced < self.given {
                match self.durable.recv().await {
                    Some(result) => self.durable(result)?,
                    None => return Err(Error::Stopped),
                }
            }
            Ok(())
        };
        timeout(LAST_SYNC, synced).await.unwrap_or(Err(Error::Stopped))
    }
}
