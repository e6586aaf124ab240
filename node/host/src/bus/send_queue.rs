//! The send queue of one sender to one receiver: what waits to be sealed, in the order in which it came.
//!
//! One task at a time drives it ([`super::outbound`]) while anything waits. Each message is told its end once, and taken out
//! by whoever sent it if its time is up while it waits: then it was certainly not sent.

use super::envelope::{Cleared, Envelope, Route};
use super::hold_up::HoldUp;
use super::outbound_session::OutboundSession;
use super::room::{Full, Room};
use crate::ending::{Ending, not_delivered};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::PolicyNumber;
use symbi_model::agent::AgentName;
use symbi_proto::session::batch;
use symbi_proto::wire::FRAME_BYTES;
use symbi_proto::wire::message::AROUND_BYTES;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Messages that may wait; further ones are refused.
const WAITING: usize = 4_096;
/// What the header, the seal and all else take of a frame for one message, at most.
const SEAL_BYTES: usize = 4_096 + AROUND_BYTES;

/// A message that waits.
pub(super) struct Outgoing {
    /// What is sent.
    pub(super) envelope: Envelope,
    /// What was asked before it leaves; none if that must be asked again.
    pub(super) cleared: Option<Cleared>,
    /// How often it was sent in vain.
    pub(super) attempts: u32,
    /// What it takes of its sender's room.
    pub(super) room: Room,
    /// Who waits for its end.
    pub(super) told: oneshot::Sender<Ending>,
}

/// A message that was taken in.
pub(super) struct Pushed {
    /// Where it waits.
    pub(super) queue: Arc<SendQueue>,
    /// Under which number.
    pub(super) number: u64,
    /// Whether the caller must start a task that drives.
    pub(super) must_drive: bool,
}

impl Outgoing {
    /// Ends it.
    pub(super) fn end(self: Box<Self>, ending: Ending) {
        // Whoever has stopped waiting needs no ending.
        let _ = self.told.send(ending);
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
/// - none leaves once one of a higher number may have arrived;
/// - while anything waits, one task drives it;
/// - nothing leaves for another session, or for an agent of this node, while anything may come back from the last session;
/// - whoever holds this lock may take one of a session, and nobody the other way round.
pub(crate) struct SendQueue {
    /// What waits.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By number.
    waiting: BTreeMap<u64, Box<Outgoing>>,
    /// The next number.
    next: u64,
    /// Whether a task drives it.
    driven: bool,
    /// Whether that task is about to do something for a message, which may be in its hands.
    busy: bool,
    /// The last session that was set up.
    session: Option<Arc<OutboundSession>>,
    /// Whether new messages may take it.
    usable: bool,
    /// What holds up whatever waits.
    held_up: HoldUp,
    /// Below this are the numbers of messages that one may have overtaken, should they come back.
    overtaken: u64,
}

/// For whom a session is to be set up.
pub(super) struct Wanted {
    /// The receiver.
    pub(super) to: AgentName,
    /// How long the most patient of them waits.
    pub(super) remaining: Duration,
}

/// What is to be done next.
pub(super) enum Next {
    /// Nothing waits any more, and the task that asked drives no longer.
    Idle,
    /// To wait until then: what waits is held up.
    Pause(Instant),
    /// This message has to be cleared again.
    Clear(u64, Box<Outgoing>),
    /// Messages wait for this route.
    Send(Route),
}

impl SendQueue {
    /// A queue where nothing waits.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default() })
    }

    /// Adds a message.
    pub(super) fn push(self: Arc<Self>, outgoing: Outgoing) -> Result<Pushed, Full> {
        let (number, must_drive) = {
            let mut inner = self.lock();
            if inner.waiting.len() >= WAITING {
                return Err(Full::Messages { limit: WAITING });
            }
            let number = inner.next;
            inner.next += 1;
            inner.waiting.insert(number, Box::new(outgoing));
            (number, !std::mem::replace(&mut inner.driven, true))
        };
        Ok(Pushed { queue: self, number, must_drive })
    }

    /// Whether nothing waits in it, and nothing that left it may come back.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        !inner.busy && inner.waiting.is_empty() && inner.session.as_ref().is_none_or(|open| open.is_settled())
    }

    /// Puts messages back where they came from; whether the caller must start a task that drives.
    pub(super) fn put_back(&self, messages: impl IntoIterator<Item = (u64, Box<Outgoing>)>) -> bool {
        let mut inner = self.lock();
        inner.waiting.extend(messages);
        !inner.waiting.is_empty() && !std::mem::replace(&mut inner.driven, true)
    }

    /// Puts messages back that were sent in `open`, unless that was abandoned: then it is too late for them; `held_up` is what holds
    /// them up, if anything does. Whether the caller must start a task that drives.
    pub(super) fn put_back_from(
        &self,
        open: &OutboundSession,
        messages: impl IntoIterator<Item = (u64, Box<Outgoing>)>,
        held_up: Option<String>,
    ) -> bool {
        let mut inner = self.lock();
        let put = open.unless_abandoned(|| inner.waiting.extend(messages));
        if let Some(reason) = held_up.filter(|_| put.is_some()) {
            inner.held_up.fail(reason);
        }
        put.is_some() && !inner.waiting.is_empty() && !std::mem::replace(&mut inner.driven, true)
    }

    /// Takes a message out that still waits, because its time is up: how it ends; none if it has left.
    pub(super) fn withdraw(&self, number: u64) -> Option<Ending> {
        let mut inner = self.lock();
        let outgoing = inner.waiting.remove(&number)?;
        Some(inner.held_up.expired(outgoing.envelope.kind))
    }

    /// Takes note of what holds up whatever waits, in words.
    pub(super) fn hold_up(&self, reason: String) {
        self.lock().held_up.fail(reason);
    }

    /// Whether anything does.
    pub(super) fn is_held_up(&self) -> bool {
        self.lock().held_up.is_on()
    }

    /// Takes note of the reply to a batch of which messages up to the number `last` may have arrived, if any may.
    pub(super) fn replied(&self, last: Option<u64>) {
        let mut inner = self.lock();
        inner.held_up.replied();
        inner.overtaken = inner.overtaken.max(last.unwrap_or_default());
    }

    /// Has those messages judged and routed again that were cleared for another way than `route`, or by other policies than these.
    pub(super) fn unclear(&self, route: Option<Route>, policy_set: PolicyNumber) {
        let is_old =
            |cleared: &mut Cleared| Some(cleared.route) != route || cleared.permit.reference().policy_set != policy_set;
        for outgoing in self.lock().waiting.values_mut() {
            outgoing.cleared.take_if(is_old);
        }
    }

    /// The task that drives has nothing in its hands.
    pub(super) fn rest(&self) {
        self.lock().busy = false;
    }

    /// What is to be done for the first message.
    pub(super) fn next(&self) -> Next {
        let mut inner = self.lock();
        inner.prune();
        let until = inner.held_up.until();
        let Some(first) = inner.waiting.first_entry() else {
            (inner.driven, inner.busy) = (false, false);
            inner.held_up.end();
            return Next::Idle;
        };
        let next = match (until, &first.get().cleared) {
            (Some(until), _) => Next::Pause(until),
            (None, Some(cleared)) => Next::Send(cleared.route),
            (None, None) => {
                let (number, outgoing) = first.remove_entry();
                Next::Clear(number, outgoing)
            }
        };
        inner.busy = true;
        next
    }

    /// The messages of one batch, for `route`: the first and those behind it that were judged by the same policies, as far
    /// as one frame takes them.
    pub(super) fn take(&self, route: Route) -> (PolicyNumber, Vec<(u64, Box<Outgoing>)>) {
        let mut inner = self.lock();
        inner.prune();
        inner.held_up.end();
        let (mut taken, mut bytes, mut policy_set) = (Vec::new(), 0, PolicyNumber::default());
        while let Some(first) = inner.waiting.first_entry() {
            let Some(cleared) = first.get().cleared.as_ref().filter(|cleared| cleared.route == route) else { break };
            let judged_by = cleared.permit.reference().policy_set;
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
        Some(Wanted { to: first.envelope.to.clone(), remaining })
    }

    /// The session that messages for `route` may take.
    pub(super) fn open_for(&self, route: Route, now_ms: u64) -> Option<Arc<OutboundSession>> {
        let inner = self.lock();
        inner.session.as_ref().filter(|open| inner.usable && open.fits(route, now_ms)).cloned()
    }

    /// The last session, if anything that left for it may still come back.
    pub(super) fn unsettled(&self) -> Option<Arc<OutboundSession>> {
        self.lock().session.as_ref().filter(|open| !open.is_settled()).cloned()
    }

    /// Has new messages take `open`.
    pub(super) fn set_open(&self, open: Arc<OutboundSession>) {
        let mut inner = self.lock();
        debug_assert!(inner.session.as_ref().is_none_or(|last| last.is_settled()), "what was sent before goes first");
        (inner.session, inner.usable) = (Some(open), true);
        inner.held_up.end();
    }

    /// Has no new message take `open`.
    pub(super) fn drop_open(&self, open: &Arc<OutboundSession>) {
        let mut inner = self.lock();
        if inner.session.as_ref().is_some_and(|last| Arc::ptr_eq(last, open)) {
            inner.usable = false;
        }
    }

    /// Lets go of the session if it is over and nothing can come back from it.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        let usable = inner.usable;
        inner.session.take_if(|open| (!usable || open.is_over()) && open.is_settled());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Ends the first messages as long as they cannot leave any more.
    fn prune(&mut self) {
        while let Some(first) = self.waiting.first_entry() {
            let ending = if first.get().is_stale() {
                self.held_up.expired(first.get().envelope.kind)
            } else if *first.key() < self.overtaken {
                not_delivered("its connection ended before it left, and one that was sent after it may have arrived")
            } else {
                return;
            };
            first.remove().end(ending);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for outgoing in std::mem::take(&mut self.waiting).into_values() {
            outgoing.end(not_delivered("its sender ended"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::answerer::Answerer;
    use super::super::channel::{Channel, Peer};
    use super::super::envelope::Route;
    use super::super::outbound_session::OutboundSession;
    use super::SendQueue;
    use ed25519_dalek::SigningKey;
    use std::sync::{Arc, Barrier, mpsc};
    use std::time::Duration;
    use symbi_model::{ClusterId, Epoch, Incarnation, NodeId};
    use symbi_proto::session::{Hello, Id, Initiator, Party, Session, respond};
    use uuid::Uuid;

    const PEER: NodeId = NodeId([2; 32]);
    const ROUTE: Route = Route { node: PEER, epoch: Epoch(4) };

    fn party(own: NodeId, peer: NodeId, (name, peer_name): (&str, &str), key: u8) -> Party {
        Party {
            cluster: ClusterId(Uuid::nil()),
            node: own,
            peer,
            name: name.to_owned(),
            peer_name: peer_name.to_owned(),
            signing_key: SigningKey::from_bytes(&[key; 32]),
            credential: String::new(),
            now_ms: 0,
        }
    }

    fn session() -> Session {
        let (own, keys) = (NodeId([1; 32]), [5, 6].map(|key| SigningKey::from_bytes(&[key; 32]).verifying_key()));
        let (initiator, hello): (Initiator, Hello) =
            Initiator::start(party(own, PEER, ("a", "b"), 5), [7; 32], [8; 32], Id([9; 16]));
        let (_, reply) =
            respond(party(PEER, own, ("b", "a"), 6), &hello, keys[0].as_bytes(), [10; 32], [11; 32]).expect("it fits");
        initiator.finish(&reply, keys[1].as_bytes()).expect("it fits")
    }

    fn open() -> Arc<OutboundSession> {
        let key = SigningKey::from_bytes(&[6; 32]).verifying_key();
        let peer = Peer { node: PEER, name: "b".to_owned(), epoch: ROUTE.epoch, key };
        let answerer = Answerer { name: "b".parse().expect("a name"), epoch: ROUTE.epoch, incarnation: Incarnation(1) };
        OutboundSession::new(Channel::new(session(), peer), "a".to_owned(), answerer)
    }

    #[test]
    fn whoever_puts_back_and_whoever_looks_for_the_session_do_not_wait_for_each_other() {
        let (queue, open) = (SendQueue::new(), open());
        queue.set_open(Arc::clone(&open));
        let (together, (done, ended)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let looks: [Box<dyn Fn() + Send>; 2] = [
            Box::new({
                let (queue, open) = (Arc::clone(&queue), Arc::clone(&open));
                move || assert!(!queue.put_back_from(&open, [], None), "nothing waits")
            }),
            Box::new(move || assert!(queue.open_for(ROUTE, 0).is_some() && queue.is_idle(), "it fits")),
        ];
        for look in looks {
            let (together, done) = (Arc::clone(&together), done.clone());
            std::thread::spawn(move || {
                together.wait();
                (0..100_000).for_each(|_| look());
                let _ = done.send(());
            });
        }
        for _ in 0..2 {
            ended.recv_timeout(Duration::from_secs(60)).expect("neither waits for the other");
        }
    }
}
