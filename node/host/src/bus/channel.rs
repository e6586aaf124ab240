//! A session as one of its two nodes holds it: its keys, and what came in it and is not attested yet.
//!
//! A message is delivered when it opens; the signature over its batch is claimed in the same frame and checked by the
//! [`super::attestation_check`], off the path of delivery. A session whose other side leaves too much without a signature, or for too
//! long, or signs wrongly, is closed and counted; what it has delivered stays recorded as authenticated, and no more.

use super::attestation_check::Check;
use crate::host::Host;
use crate::observer::Event;
use ed25519_dalek::VerifyingKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::ledger::{Attestation, Entry, Message, MessageBatch};
use symbi_model::{Epoch, NodeId};
use symbi_proto::session::{Id, Session, batch};
use tokio::time::sleep;

/// Who is at the other end of a session, as its credential says.
pub(crate) struct Peer {
    /// Its node.
    pub(crate) node: NodeId,
    /// Its name.
    pub(crate) name: String,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// The key of its signatures.
    pub(crate) key: VerifyingKey,
}

/// A session that stands.
///
/// Invariants:
/// - what is kept as not attested is what the session holds as not attested;
/// - nothing is taken in once it is closed.
pub(crate) struct Channel {
    /// Its id.
    pub(crate) id: Id,
    /// Who is at the other end.
    pub(crate) peer: Peer,
    /// Its keys and counters.
    session: Mutex<Session>,
    /// What came and no signature covers.
    unattested: Mutex<Vec<Message>>,
    /// Whether it is used no more.
    closed: AtomicBool,
}

impl Channel {
    /// A session that has just been set up.
    pub(crate) fn new(session: Session, peer: Peer) -> Arc<Self> {
        Arc::new(Self {
            id: session.id(),
            peer,
            session: Mutex::new(session),
            unattested: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Its keys and counters.
    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is used no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Keeps what came, until its batch is attested.
    pub(crate) fn hold(&self, messages: Vec<Message>) {
        let mut unattested = self.unattested();
        if unattested.is_empty() {
            *unattested = messages;
        } else {
            unattested.extend(messages);
        }
    }

    /// Takes the signature that came with what was held last, or the want of one.
    pub(crate) fn attest(self: &Arc<Self>, host: &Arc<Host>, attestation: Option<&Attestation>) {
        let (claimed, (first, held)) = {
            let mut session = self.session();
            let claimed = attestation.map(|said| session.claim(&self.peer.key, self.peer.epoch, said));
            (claimed, session.unattested())
        };
        match claimed {
            Some(Ok(claim)) => {
                let messages = self.covered(claim.attestation().last);
                host.attestation_checks.check(host, Check { channel: Arc::clone(self), claim, messages });
            }
            Some(Err(error)) => return self.close(host, &error.to_string(), Vec::new()),
            None => {}
        }
        if held > 0 {
            host.spawn(expire(Arc::clone(self), Arc::clone(host), first));
        }
    }

    /// Closes it for want of a good signature over what it has brought; over `messages` at last.
    pub(crate) fn close(&self, host: &Host, why: &str, messages: Vec<Message>) {
        let first = !self.closed.swap(true, Ordering::Relaxed);
        let mut left = messages;
        left.extend(self.covered(u64::MAX));
        for messages in left.chunks(batch::MESSAGES) {
            let batch = MessageBatch { session: self.id.0, attestation: None, messages: messages.to_vec() };
            host.ledger.record(Entry::Received(batch));
        }
        if first {
            let (peer, sender) = (self.peer.node.short(), &self.peer.name);
            tracing::warn!(%peer, sender, why, "a session is closed: its messages are not attested");
            host.counters.sessions_unattested.add(1);
            (host.ports.observer)(Event::SessionUnattested {
                node: self.peer.node,
                sender: self.peer.name.clone(),
                why: why.to_owned(),
            });
        }
    }

    /// Takes out what a signature covers that ends with `last`, in order.
    fn covered(&self, last: u64) -> Vec<Message> {
        let mut unattested = self.unattested();
        let mut covered = std::mem::take(&mut *unattested);
        covered.sort_by_key(|message| message.sequence);
        *unattested = covered.split_off(covered.partition_point(|message| message.sequence <= last));
        covered
    }

    fn unattested(&self) -> MutexGuard<'_, Vec<Message>> {
        self.unattested.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the session if the message `first` is not attested in time.
async fn expire(channel: Arc<Channel>, host: Arc<Host>, first: u64) {
    sleep(Duration::from_millis(batch::UNATTESTED_MS)).await;
    let (now_first, held) = channel.session().unattested();
    if now_first == first && held > 0 {
        channel.close(&host, "no signature came within a second", Vec::new());
    }
}
