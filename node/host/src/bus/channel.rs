//! A session as one of its two nodes holds it: its keys, and what came in it and is not attested yet.

use ed25519_dalek::VerifyingKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::ledger::Message;
use symbi_model::{Epoch, NodeId};
use symbi_proto::session::{Id, Session};

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

    /// Uses it no more; false if that was so already.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::Relaxed)
    }

    /// Takes out what a signature covers that ends with `last`, in order.
    pub(crate) fn covered(&self, last: u64) -> Vec<Message> {
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
