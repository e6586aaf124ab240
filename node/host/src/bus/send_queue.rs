//! The send queue of one sender to one receiver: what waits to be sealed, in the order in which it came.
//!
//! One task at a time drives it ([`super::outbound`]) while anything waits. Each message is told its end once, and taken out
//! by whoever sent it if its time is up while it waits: then it was certainly not sent.

use super::outbound_session::OutboundSession;
use super::{Cleared, Envelope, Route, Sender, not_delivered};
use crate::ending::Ending;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::PolicyNumber;
use symbi_model::agent::AgentName;
use symbi_proto::session::batch;
use symbi_proto::wire::FRAME_BYTES;
use symbi_proto::wire::message::AROUND_BYTES;
use tokio::sync::{Semaphore, oneshot};

/// Messages that may wait; further ones are refused.
const WAITING: usize = 4_096;
/// Batches under way at once whose replies have not come. With so many, the next one waits, and grows.
pub(super) const UNDER_WAY: u32 = 8;
/// What the header, the seal and all else take of a frame for one message, at most.
const SEAL_BYTES: usize = 4_096 + AROUND_BYTES;

/// How a message left its queue.
pub(super) enum Sent {
    /// It has ended.
    Ended(Ending),
    /// Its receiver runs on this node by now.
    Here(Box<(Envelope, Cleared)>),
}

/// A message that waits.
pub(super) struct Outgoing {
    /// Who sends it.
    pub(super) sender: Sender,
    /// What is sent.
    pub(super) envelope: Envelope,
    /// What was asked before it leaves; none if that must be asked again.
    pub(super) cleared: Option<Cleared>,
    /// How often it was sent in vain.
    pub(super) attempts: u32,
    /// Who waits for its end.
    pub(super) told: oneshot::Sender<Sent>,
}

impl Outgoing {
    /// Ends it.
    pub(super) fn end(self: Box<Self>, ending: Ending) {
        // Whoever has stopped waiting needs no ending.
        let _ = self.told.send(Sent::Ended(ending));
    }

    /// Whether nobody waits for it, or its time is up.
    pub(super) fn is_stale(&self) -> bool {
        self.told.is_closed() || self.envelope.remaining().is_zero()
    }
}

/// The queue.
///
/// Invariants:
/// - messages leave it by rising number, and come back to it under the number that they had;
/// - while anything waits, one task drives it.
pub(crate) struct SendQueue {
    /// What waits.
    inner: Mutex<Inner>,
    /// Batches that may leave before a reply comes.
    pub(super) window: Arc<Semaphore>,
}

#[derive(Default)]
struct Inner {
    /// By number.
    waiting: BTreeMap<u64, Box<Outgoing>>,
    /// The next number.
    next: u64,
    /// Whether a task drives it.
    driven: bool,
    /// The session that new messages take.
    open: Option<Arc<OutboundSession>>,
    /// Where the last session went.
    last: Option<Route>,
}

/// For whom a session is to be set up.
pub(super) struct Wanted {
    /// Any of those who wait: all are one identity.
    pub(super) sender: Sender,
    /// The receiver.
    pub(super) to: AgentName,
    /// How long the most patient of them waits.
    pub(super) remaining: Duration,
}

/// What is to be done next.
pub(super) enum Next {
    /// Nothing waits any more, and the task that asked drives no longer.
    Idle,
    /// This message has to be cleared again.
    Clear(u64, Box<Outgoing>),
    /// Messages wait for this route.
    Send(Route),
}

impl SendQueue {
    /// A queue where nothing waits.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), window: Arc::new(Semaphore::new(UNDER_WAY as usize)) })
    }

    /// Adds a message: its number, and whether the caller must start a task that drives. None if too many wait.
    pub(super) fn push(&self, outgoing: Outgoing) -> Option<(u64, bool)> {
        let mut inner = self.lock();
        if inner.waiting.len() >= WAITING {
            return None;
        }
        let number = inner.next;
        inner.next += 1;
        inner.waiting.insert(number, Box::new(outgoing));
        Some((number, !std::mem::replace(&mut inner.driven, true)))
    }

    /// Puts messages back where they came from; whether the caller must start a task that drives.
    pub(super) fn put_back(&self, messages: impl IntoIterator<Item = (u64, Box<Outgoing>)>) -> bool {
        let mut inner = self.lock();
        inner.waiting.extend(messages);
        !inner.waiting.is_empty() && !std::mem::replace(&mut inner.driven, true)
    }

    /// Takes a message out that still waits; false if it has left.
    pub(super) fn withdraw(&self, number: u64) -> bool {
        self.lock().waiting.remove(&number).is_some()
    }

    /// What is to be done for the first message.
    pub(super) fn next(&self) -> Next {
        let mut inner = self.lock();
        loop {
            let Some(first) = inner.waiting.first_entry() else {
                inner.driven = false;
                return Next::Idle;
            };
            if first.get().is_stale() {
                let stale = first.remove();
                stale.end(Ending::DeadlineExceeded { delivered: false });
                continue;
            }
            return match &first.get().cleared {
                Some(cleared) => Next::Send(cleared.route),
                None => {
                    let (number, outgoing) = first.remove_entry();
                    Next::Clear(number, outgoing)
                }
            };
        }
    }

    /// The messages of one batch, for `route`: the first and those behind it that were judged by the same policies, as far
    /// as one frame takes them.
    pub(super) fn take(&self, route: Route) -> (PolicyNumber, Vec<(u64, Box<Outgoing>)>) {
        let mut inner = self.lock();
        let (mut taken, mut bytes, mut policy_set) = (Vec::new(), 0, PolicyNumber::default());
        while let Some(first) = inner.waiting.first_entry() {
            let Some(cleared) = first.get().cleared.as_ref().filter(|cleared| cleared.route == route) else { break };
            let judged_by = cleared.send_permit.reference().policy_set;
            bytes += first.get().envelope.payload.len() + SEAL_BYTES;
            let fits = bytes <= FRAME_BYTES - AROUND_BYTES && judged_by == policy_set && taken.len() < batch::MESSAGES;
            if !taken.is_empty() && !fits {
                break;
            }
            policy_set = judged_by;
            taken.push(first.remove_entry());
        }
        (policy_set, taken)
    }

    /// Ends all that wait for `route`.
    pub(super) fn fail(&self, route: Route, ending: &Ending) {
        let failed: Vec<Box<Outgoing>> = {
            let mut inner = self.lock();
            let is_bound =
                |outgoing: &Outgoing| outgoing.cleared.as_ref().is_some_and(|cleared| cleared.route == route);
            inner.waiting.extract_if(.., |_, outgoing| is_bound(outgoing)).map(|(_, outgoing)| outgoing).collect()
        };
        for outgoing in failed {
            outgoing.end(ending.clone());
        }
    }

    /// For whom a session is to be set up; none if nobody waits.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let inner = self.lock();
        let (_, first) = inner.waiting.first_key_value()?;
        let remaining = inner.waiting.values().map(|outgoing| outgoing.envelope.remaining()).max().unwrap_or_default();
        Some(Wanted { sender: first.sender.clone(), to: first.envelope.to.clone(), remaining })
    }

    /// The session that messages for `route` may take.
    pub(super) fn open_for(&self, route: Route, now_ms: u64) -> Option<Arc<OutboundSession>> {
        self.lock().open.as_ref().filter(|open| open.fits(route, now_ms)).cloned()
    }

    /// Has new messages take `open`.
    pub(super) fn set_open(&self, open: Arc<OutboundSession>, route: Route) {
        let mut inner = self.lock();
        (inner.open, inner.last) = (Some(open), Some(route));
    }

    /// Has no new message take `open`.
    pub(super) fn drop_open(&self, open: &Arc<OutboundSession>) {
        let mut inner = self.lock();
        inner.open.take_if(|held| Arc::ptr_eq(held, open));
    }

    /// Lets go of the session if it is over.
    pub(super) fn forget(&self) {
        self.lock().open.take_if(|open| open.is_over());
    }

    /// Whether the last session was with the incarnation that `route` leads to: what is under way there goes first.
    pub(super) fn was_for(&self, route: Route) -> bool {
        self.lock().last == Some(route)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for outgoing in std::mem::take(&mut self.waiting).into_values() {
            outgoing.end(not_delivered("its sender ended"));
        }
    }
}
