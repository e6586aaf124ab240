//! A session that a sender here has outbound_sessions: what was sent in it and has not ended yet, and the table by which what comes
//! back finds it.

use super::answerer::Answerer;
use super::channel::Channel;
use super::envelope::Route;
use super::session_close::SessionClose;
use crate::ending::{Ending, fate};
use crate::ledger::Ledger;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::agent::Hold;
use symbi_model::ledger::{End, Ended, Entry, Fate, Kind};
use symbi_model::{MessageId, NodeId, State};
use symbi_proto::session::Id;
use symbi_proto::wire::message::Parting;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

/// How long the receiver's node may still say how a message ended, once the cluster says that its receiver has.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Batches under way at once whose replies have not come. With so many, the next one waits, and grows.
const UNDER_WAY: usize = 8;

/// A session as its opener holds it.
///
/// Invariants:
/// - a message comes back to its queue only while the session is not abandoned.
pub(crate) struct OutboundSession {
    /// The session.
    pub(super) channel: Arc<Channel>,
    /// The name of the sender, as its credential has it.
    pub(super) name: String,
    /// The receiver, as its credential says.
    pub(super) peer: Answerer,
    /// What was sent and has not ended, by message.
    calls: Mutex<BTreeMap<MessageId, Call>>,
    /// Whether the other side keeps it no longer.
    parted: AtomicBool,
    /// When that was first seen, or that the receiver has ended.
    ended: Mutex<Option<Instant>>,
    /// Batches that may leave before a reply comes.
    pub(super) window: Arc<Semaphore>,
    /// Whether all that was sent in it has ended for want of a word.
    abandoned: Mutex<bool>,
    /// Wakes those who wait for that.
    given_up: Notify,
}

/// A message that was sent.
pub(super) struct Call {
    /// Its kind.
    pub(super) kind: Kind,
    /// In which batch.
    pub(super) batch: u64,
    /// Which message of the session it is.
    pub(super) sequence: u64,
    /// Who waits for its end.
    pub(super) told: oneshot::Sender<Ending>,
}

impl OutboundSession {
    /// A session in which nothing was sent yet.
    pub(super) fn new(channel: Arc<Channel>, name: String, peer: Answerer) -> Arc<Self> {
        Arc::new(Self {
            channel,
            name,
            peer,
            calls: Mutex::default(),
            parted: AtomicBool::new(false),
            ended: Mutex::default(),
            window: Arc::new(Semaphore::new(UNDER_WAY)),
            abandoned: Mutex::default(),
            given_up: Notify::new(),
        })
    }

    /// Whether nothing that was sent in it can come back any more: each batch was replied to, or it was abandoned.
    pub(super) fn is_settled(&self) -> bool {
        self.window.available_permits() == UNDER_WAY || *self.abandoned()
    }

    /// Waits until nothing that was sent in it can come back any more.
    pub(super) async fn settled(&self) {
        let given_up = self.given_up.notified();
        if self.is_settled() {
            return;
        }
        tokio::select! {
            biased;
            () = given_up => (),
            _ = self.window.acquire_many(UNDER_WAY as u32) => (),
        }
    }

    /// Waits until another batch may leave, or nothing that was sent in it can come back any more.
    pub(super) async fn room(&self) {
        let given_up = self.given_up.notified();
        if *self.abandoned() {
            return;
        }
        tokio::select! {
            biased;
            () = given_up => (),
            _ = self.window.acquire() => (),
        }
    }

    /// Does `act`, which has messages come back to their queue, whose lock is held, unless the session was abandoned: then it is too
    /// late for them.
    pub(super) fn unless_abandoned<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let abandoned = self.abandoned();
        (!*abandoned).then(act)
    }

    /// Whether new messages for `route` may take it.
    pub(super) fn fits(&self, route: Route, now_ms: u64) -> bool {
        self.channel.peer.node == route.node
            && self.peer.epoch == route.epoch
            && !self.is_over()
            && !self.channel.session().due_for_rekey(now_ms)
    }

    /// Whether it takes no new messages, whatever its age.
    pub(super) fn is_over(&self) -> bool {
        self.channel.is_closed() || self.parted.load(Ordering::Relaxed) || *self.abandoned()
    }

    /// Takes note that the other side keeps it no longer. What has not ended has some time yet: the reply to a batch may be on
    /// its way.
    pub(super) fn part(&self) {
        self.parted.store(true, Ordering::Relaxed);
    }

    /// Takes note of messages that are about to leave.
    pub(super) fn expect(&self, calls: impl IntoIterator<Item = (MessageId, Call)>) {
        self.calls().extend(calls);
    }

    /// Whether somebody waits for the answer to `message`.
    pub(super) fn is_asked(&self, message: &MessageId) -> bool {
        self.calls().get(message).is_some_and(|call| call.kind == Kind::Ask && !call.told.is_closed())
    }

    /// Takes a message out of those that have not ended.
    pub(super) fn take(&self, message: &MessageId) -> Option<Call> {
        self.calls().remove(message)
    }

    /// Ends messages, for those who wait and for the ledger. An answer is no end of an ask in the ledger: it is a message of
    /// its own.
    pub(super) fn end(&self, ledger: &Ledger, endings: impl IntoIterator<Item = (MessageId, Ending)>) {
        let mut ends: BTreeMap<u64, Vec<End>> = BTreeMap::new();
        for (message, ending) in endings {
            let Some(call) = self.take(&message) else { continue };
            if call.kind == Kind::Tell || !matches!(ending, Ending::Answer(_)) {
                let end = End { sequence: call.sequence, message, fate: fate(&ending) };
                ends.entry(call.batch).or_default().push(end);
            }
            // Whoever has stopped waiting needs no ending.
            let _ = call.told.send(ending);
        }
        self.record(ledger, ends);
    }

    /// Lets go of messages whose senders wait no longer, and ends those whose receiver has ended without a word.
    fn forget(&self, ledger: &Ledger, state: &State) {
        let mut ends: BTreeMap<u64, Vec<End>> = BTreeMap::new();
        let gone = self.calls().extract_if(.., |_, call| call.told.is_closed()).collect::<Vec<_>>();
        for (message, call) in gone {
            let end = End { sequence: call.sequence, message, fate: Fate::Unknown };
            ends.entry(call.batch).or_default().push(end);
        }
        self.record(ledger, ends);
        if !self.parted.load(Ordering::Relaxed) && self.runs(state) {
            return;
        }
        let since = *self.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        if since.elapsed() >= LAST_WORD {
            *self.abandoned() = true;
            self.given_up.notify_waiters();
            let left: Vec<MessageId> = self.calls().keys().copied().collect();
            self.end(ledger, left.into_iter().map(|message| (message, Ending::OutcomeUnknown)));
        }
    }

    /// Whether the receiver still runs, as far as the cluster knows.
    fn runs(&self, state: &State) -> bool {
        let Answerer { name, epoch, incarnation } = &self.peer;
        let Some(agent) = state.agents.get(name) else { return false };
        let placed = agent.placement.is_some_and(|placement| {
            placement.epoch == *epoch && placement.hold == Hold::Held && placement.node == self.channel.peer.node
        });
        let status = agent.status.as_ref().filter(|status| status.epoch == *epoch);
        placed && status.is_none_or(|status| status.incarnation <= *incarnation)
    }

    fn record(&self, ledger: &Ledger, ends: BTreeMap<u64, Vec<End>>) {
        for (batch, ends) in ends {
            ledger.record(Entry::Ended(Ended { session: self.channel.id.0, batch, ends }));
        }
    }

    fn abandoned(&self) -> MutexGuard<'_, bool> {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<MessageId, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions that senders of this node have opened, while anything is sent or may come back in them.
#[derive(Default)]
pub(crate) struct OutboundSessions {
    /// By id.
    sessions: Mutex<BTreeMap<Id, Arc<OutboundSession>>>,
}

impl OutboundSessions {
    /// Adds a session.
    pub(super) fn insert(&self, open: &Arc<OutboundSession>) {
        self.lock().insert(open.channel.id, Arc::clone(open));
    }

    /// The session `id`, if `from` is its other side.
    pub(super) fn get(&self, id: Id, from: NodeId) -> Option<Arc<OutboundSession>> {
        self.lock().get(&id).filter(|open| open.channel.peer.node == from).cloned()
    }

    /// Lets go of what nobody waits for. The ends of sessions, to be told to those who have not told them.
    pub(super) fn forget(&self, ledger: &Ledger, state: &State) -> Vec<SessionClose> {
        let all: Vec<Arc<OutboundSession>> = self.lock().values().cloned().collect();
        all.iter().for_each(|open| open.forget(ledger, state));
        drop(all);
        let unused = |open: &mut Arc<OutboundSession>| Arc::strong_count(open) == 1 && open.calls().is_empty();
        let over = self.lock().extract_if(.., |_, open| unused(open)).collect();
        closes(over, Parting::Unused)
    }

    /// Lets go of everything.
    pub(super) fn leave(&self) -> Vec<SessionClose> {
        closes(std::mem::take(&mut *self.lock()), Parting::Stopping)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Arc<OutboundSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ends of sessions that the other side does not know of.
fn closes(over: BTreeMap<Id, Arc<OutboundSession>>, why: Parting) -> Vec<SessionClose> {
    let untold = over.into_values().filter(|open| !open.parted.load(Ordering::Relaxed));
    untold.map(|open| SessionClose::new(&open.channel, why)).collect()
}
