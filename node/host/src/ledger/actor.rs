//! The writer: chains what is recorded, hands it to the storage in batches, and has it anchored.

use super::anchor::{AGAIN, Anchoring};
use super::disk::{self, Disk, Error, Head, KEPT, Retired};
use super::ports::Ports;
use super::queue::{Counts, Message};
use super::{decisions, find, keys};
use crate::observer::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use symbi_model::ledger::{Anchor, Entry, Line};
use symbi_model::node::Membership;
use symbi_model::planted::{self, Defect};
use symbi_model::{Command, Committed, Hash, Outcome, Proposal, ProposeError, codec};
use symbi_store::WriteBatch;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Messages that are taken from the queue at once.
const TAKEN: usize = 256;
/// Lines are handed to the storage when they have so many bytes, if not before for an anchor or a question.
const FLUSH_BYTES: usize = 256 * 1024;
/// And after this time at the latest: so much a process that is killed loses.
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// With so many batches that the storage has not synced nothing more is taken from the queue.
const GIVEN: u64 = 16;
/// How long an anchor may wait for its outcome, ms.
const ANCHOR_MS: u64 = 10_000;
/// How long the storage has for the last lines when the node stops.
const LAST_SYNC: Duration = Duration::from_secs(5);
/// Far enough for "nothing is due".
const LATER: Duration = Duration::from_secs(3_600);

type Answer = oneshot::Receiver<Result<Committed, ProposeError>>;

/// The writer of a ledger.
///
/// Invariants:
/// - lines are numbered without a gap, each chained to the one before it, across starts too;
/// - an anchor is proposed only when the storage has synced the lines that it is over;
/// - at most [`super::anchor::UNANCHORED`] hashes are held, beyond what was under way when that many were.
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
    /// The number of the last line; 0 in an empty ledger.
    last: u64,
    /// The hash of the last line.
    head: Hash,
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
    /// What is not anchored yet.
    anchoring: Anchoring,
    /// How far the anchor under way is.
    stage: Stage,
}

/// How far the anchor under way is.
enum Stage {
    /// There is none.
    Idle,
    /// The storage has to sync so many batches first.
    Syncing(u64),
    /// It is proposed at this time.
    Due(Instant),
    /// It was proposed.
    Proposed(Answer),
}

impl Actor {
    /// Goes on from the last line on disk.
    pub(super) fn open(
        ports: Ports,
        messages: mpsc::UnboundedReceiver<Message>,
        counts: Arc<Counts>,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let disk = Disk { engine: Arc::clone(&ports.engine) };
        let (last, proposed, before) = (disk.last()?, disk.proposed()?, disk.before()?);
        let (number, head, time_ms) =
            last.as_ref().map_or((0, Hash::default(), 0), |line| (line.number, line.hash, line.time_ms));
        if let Some(line) = last.filter(|line| line.digest() != line.hash) {
            return Err(Error::Damaged { number: line.number, reason: "it is not what its hash says".to_owned() });
        }
        let now = Instant::now();
        // Whether the cluster has the anchor that was proposed last is seen when it is proposed again. The hashes that it
        // is over are only counted.
        let base = proposed.map_or(0, |anchor| anchor.entries);
        let anchoring = Anchoring::new(base, disk.hashes(base)?, proposed, now);
        let stage = proposed.map_or(Stage::Idle, |_| Stage::Due(now));
        let (on_durable, durable) = mpsc::unbounded_channel();
        Ok(Self {
            ports,
            messages,
            counts,
            stop,
            disk,
            last: number,
            head,
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
            stage,
        })
    }

    /// Writes until it is stopped, or until nobody holds a handle.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let (stop, mut taken) = (self.stop.clone(), Vec::with_capacity(TAKEN));
        self.compare()?;
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.finish().await,
                Some(result) = self.durable.recv() => self.durable(result)?,
                outcome = outcome(&mut self.stage) => self.proposed(outcome),
                Ok(()) = self.ports.state.changed() => self.compare()?,
                () = sleep_until(wake) => {}
                count = self.messages.recv_many(&mut taken, TAKEN), if self.given - self.synced < GIVEN => {
                    if count == 0 {
                        return self.finish().await;
                    }
                    taken.drain(..).for_each(|message| self.take(message));
                }
            }
            self.advance()?;
        }
    }

    /// When something is due that nobody asks for.
    fn wake(&self) -> Instant {
        let due = match self.stage {
            Stage::Due(at) => Some(at),
            Stage::Idle => self.anchoring.due(),
            Stage::Syncing(_) | Stage::Proposed(_) => None,
        };
        let flush = self.fresh_since.filter(|_| !planted::active(Defect::AnchorBeforeSync));
        let flush = flush.map(|since| since + FLUSH_EVERY);
        due.into_iter().chain(flush).min().unwrap_or_else(|| Instant::now() + LATER)
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
        let line = Line::chained(self.last + 1, self.time_ms, entry, self.head);
        (self.last, self.head) = (line.number, line.hash);
        self.fresh_bytes += disk::put(&mut self.fresh, &line);
        let now = Instant::now();
        self.fresh_since.get_or_insert(now);
        self.anchoring.push(line.hash, now);
        debug_assert_eq!(self.anchoring.last(), self.last, "every line after an anchor waits for the next");
    }

    /// Does what has become possible.
    fn advance(&mut self) -> Result<(), Error> {
        self.own_up();
        self.counts.held.store(self.anchoring.is_full(), Ordering::Relaxed);
        let now = Instant::now();
        if let Stage::Idle = self.stage
            && let Some(anchor) = self.anchoring.begin(now)
        {
            self.fresh.put(keys::proposed(), codec::encode(&anchor));
            // The storage keeps the order: with this batch all that the anchor is over is synced.
            self.stage = Stage::Syncing(self.given + 1);
            if planted::active(Defect::AnchorBeforeSync) {
                self.propose(anchor);
            } else {
                self.flush();
            }
        }
        if matches!(self.stage, Stage::Due(at) if at <= now) {
            self.propose_again(now)?;
        }
        let is_old = self.fresh_since.is_some_and(|since| since + FLUSH_EVERY <= now)
            && !planted::active(Defect::AnchorBeforeSync);
        if is_old || self.fresh_bytes >= FLUSH_BYTES || self.questions.iter().any(|(after, _)| *after > self.given) {
            self.flush();
        }
        Ok(())
    }

    /// Hands the storage what it does not have yet, an empty batch too: whoever waits for it learns that all before is synced.
    fn flush(&mut self) {
        self.let_go();
        let (batch, told) = (std::mem::take(&mut self.fresh), self.on_durable.clone());
        (self.fresh_bytes, self.fresh_since) = (0, None);
        self.given += 1;
        // A writer that has ended needs to be told nothing.
        self.ports.engine.append(batch, Box::new(move |result| drop(told.send(result))));
    }

    /// The storage has synced one more batch.
    fn durable(&mut self, result: Result<(), symbi_store::Error>) -> Result<(), Error> {
        result?;
        self.synced += 1;
        if matches!(self.stage, Stage::Syncing(wanted) if wanted <= self.synced)
            && let Some(anchor) = self.anchoring.under_way()
        {
            self.propose(anchor);
        }
        let synced = self.synced;
        for (_, question) in self.questions.extract_if(.., |(after, _)| *after <= synced).collect::<Vec<_>>() {
            self.answer(question);
        }
        Ok(())
    }

    fn answer(&self, question: Message) {
        // Whoever has gone away waits for no answer.
        match question {
            Message::Record(_) => unreachable!("recorded, not asked"),
            Message::Find(prefix, reply) => drop(reply.send(find::sightings(&self.disk, self.ports.node, &prefix))),
            Message::Lines(from, reply) => drop(reply.send(self.disk.chunk(from))),
            Message::Verdict(decision, reply) => drop(reply.send(self.disk.verdict(&decision))),
            Message::Decisions(wanted, reply) => drop(reply.send(decisions::portion(&self.disk, &wanted))),
            Message::Allowed(decision, line, reply) => {
                drop(reply.send(decisions::allowed(&self.disk, self.ports.node, decision, line)));
            }
        }
    }

    fn propose(&mut self, anchor: Anchor) {
        let (reply, answer) = oneshot::channel();
        let command = Command::Anchor { node: self.ports.node, anchor };
        let proposal =
            Proposal { command, request: None, permit: None, decided_term: None, deadline_ms: ANCHOR_MS, reply };
        // If the queue is full, or the node stops, the answer is dropped with the proposal, and it is proposed again.
        drop(self.ports.proposals.try_send(proposal));
        self.stage = Stage::Proposed(answer);
    }

    /// Proposes the anchor under way again, unless the cluster has it.
    fn propose_again(&mut self, now: Instant) -> Result<(), Error> {
        self.compare()?;
        let Some(anchor) = self.anchoring.under_way() else { return Ok(()) };
        if !matches!(self.stage, Stage::Due(_)) {
            return Ok(());
        }
        let state = self.ports.state.borrow().clone();
        let is_member = state.nodes.get(&self.ports.node).is_some_and(|node| node.membership == Membership::Member);
        if is_member {
            self.propose(anchor);
        } else {
            self.stage = Stage::Due(now + AGAIN);
        }
        Ok(())
    }

    /// What became of a proposal.
    fn proposed(&mut self, outcome: Option<Result<Committed, ProposeError>>) {
        match outcome {
            Some(Ok(Committed { index, position, outcome: Outcome::Done })) => self.anchored(index, Some(position)),
            other => {
                // Refused as stale: an earlier proposal of the same anchor was applied, and the state will show it.
                tracing::debug!(?other, "an anchor is proposed again");
                self.stage = Stage::Due(Instant::now() + AGAIN);
            }
        }
    }

    /// Compares what the cluster has with what is here.
    fn compare(&mut self) -> Result<(), Error> {
        let anchored = self.ports.state.borrow_and_update().ledgers.get(&self.ports.node).copied();
        let Some(anchored) = anchored else { return Ok(()) };
        let entries = anchored.anchor.entries;
        if entries > self.last {
            (self.ports.observer)(Event::LedgerLost { anchored: entries, kept: self.last });
            return Err(Error::Lost { anchored: entries, kept: self.last });
        }
        let waits = matches!(self.stage, Stage::Due(_));
        if waits && self.anchoring.under_way().is_some_and(|anchor| anchor.entries <= entries) {
            self.anchored(anchored.index, None);
        }
        Ok(())
    }

    /// The cluster has the anchor under way.
    fn anchored(&mut self, index: u64, position: Option<u32>) {
        self.stage = Stage::Idle;
        let Some(anchor) = self.anchoring.done(Instant::now()) else { return };
        let head = Head { hash: anchor.head, index, position };
        self.fresh.put(keys::head(anchor.entries), codec::encode(&head));
    }

    /// Lets old lines go, one step with each batch.
    fn let_go(&mut self) {
        match self.disk.let_go(self.retired, self.anchoring.anchored(), KEPT, &mut self.fresh) {
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

/// The outcome of what was proposed, once there is one; none if it was dropped.
async fn outcome(stage: &mut Stage) -> Option<Result<Committed, ProposeError>> {
    match stage {
        Stage::Proposed(answer) => answer.await.ok(),
        _ => std::future::pending().await,
    }
}
