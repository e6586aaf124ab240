//! The desk: the sessions that others have opened with agents of this node.

use super::arrival::Origin;
use super::channel::Channel;
use super::returns::Returns;
use crate::instance::Instance;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::NodeId;
use symbi_policy::credential::{Subject, Verified};
use symbi_proto::session::Id;

/// The desk.
pub(crate) struct Desk {
    /// By id.
    sessions: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
}

/// A count of uses, and sessions with the count at which each was last used.
type Used = (u64, BTreeMap<Id, (u64, Arc<Held>)>);

/// A session as the receiver's node holds it.
pub(super) struct Held {
    /// The session.
    pub(super) channel: Arc<Channel>,
    /// The sender, as its credential says.
    pub(super) sender: Verified,
    /// The receiver.
    pub(super) receiver: Arc<Instance>,
    /// What is to go back.
    pub(super) returns: Returns,
}

impl Held {
    /// As whom its messages are received; `user` is for whom a gateway speaks.
    pub(super) fn origin(&self, user: &str) -> Result<Origin, &'static str> {
        match &self.sender.subject {
            Subject::Agent(name) => {
                let (epoch, incarnation) = (self.sender.epoch, self.sender.incarnation);
                Ok(Origin::Agent { name: name.clone(), epoch, incarnation })
            }
            Subject::Gateway(_) if user.is_empty() => Err("a gateway says for whom it speaks"),
            Subject::Gateway(_) => Ok(Origin::Gateway { user: user.to_owned() }),
        }
    }

    fn is_over(&self) -> bool {
        self.receiver.ended.is_cancelled() || self.channel.is_closed()
    }
}

impl Desk {
    /// None yet, and at most `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "there is room for a session");
        Self { sessions: Mutex::default(), capacity }
    }

    /// Adds a session. The one unused for longest makes room: its sender will set up another.
    pub(super) fn insert(&self, held: Held) {
        let mut sessions = self.lock();
        let (count, sessions) = &mut *sessions;
        *count += 1;
        if sessions.len() >= self.capacity {
            let oldest = sessions.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|id| sessions.remove(&id));
        }
        sessions.insert(held.channel.id, (*count, Arc::new(held)));
    }

    /// The session `id` of `peer`, if its receiver still runs.
    pub(super) fn get(&self, id: Id, peer: NodeId) -> Option<Arc<Held>> {
        let mut sessions = self.lock();
        let (count, sessions) = &mut *sessions;
        *count += 1;
        let (used, held) = sessions.get_mut(&id).filter(|(_, held)| held.channel.peer.node == peer)?;
        if held.is_over() {
            sessions.remove(&id);
            return None;
        }
        *used = *count;
        Some(Arc::clone(held))
    }

    /// Lets go of the sessions of incarnations that have ended.
    pub(crate) fn forget(&self) {
        self.lock().1.retain(|_, (_, held)| !held.is_over());
    }

    /// Lets go of the session `id` of `peer`.
    pub(super) fn close(&self, id: Id, peer: NodeId) {
        let mut sessions = self.lock();
        if sessions.1.get(&id).is_some_and(|(_, held)| held.channel.peer.node == peer) {
            sessions.1.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
