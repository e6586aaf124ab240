//! Routes what comes from other nodes to its session: the sessions that others have opened with agents of this node.

use super::channel::Channel;
use super::origin::Origin;
use super::return_queue::Returns;
use super::session_close::SessionClose;
use crate::instance::Instance;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::NodeId;
use symbi_policy::credential::{Subject, Verified};
use symbi_proto::session::Id;
use symbi_proto::wire::message::Parting;

/// The table by which a frame finds its session.
pub(crate) struct Router {
    /// By id.
    sessions: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
}

/// A count of uses, and sessions with the count at which each was last used.
type Used = (u64, BTreeMap<Id, (u64, Arc<InboundSession>)>);

/// A session as the receiver's node holds it.
pub(super) struct InboundSession {
    /// The session.
    pub(super) channel: Arc<Channel>,
    /// The sender, as its credential says.
    pub(super) sender: Verified,
    /// The receiver.
    pub(super) receiver: Arc<Instance>,
    /// What is to go back.
    pub(super) returns: Returns,
}

impl InboundSession {
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

impl Router {
    /// None yet, and at most `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "there is room for a session");
        Self { sessions: Mutex::default(), capacity }
    }

    /// Adds a session. The one unused for longest makes room, and its sender will set up another: its end, if nothing of it is to
    /// go back any more.
    pub(super) fn insert(&self, held: InboundSession) -> Option<SessionClose> {
        let mut sessions = self.lock();
        let (count, sessions) = &mut *sessions;
        *count += 1;
        let mut oldest = None;
        if sessions.len() >= self.capacity {
            let id = sessions.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest = id.and_then(|id| sessions.remove(&id)).filter(|(_, held)| is_quiet(held));
        }
        sessions.insert(held.channel.id, (*count, Arc::new(held)));
        oldest.map(|(_, held)| SessionClose::new(&held.channel, Parting::Unused))
    }

    /// The session `id` of `peer`, if its receiver still runs.
    pub(super) fn get(&self, id: Id, peer: NodeId) -> Option<Arc<InboundSession>> {
        let mut sessions = self.lock();
        let (count, sessions) = &mut *sessions;
        *count += 1;
        let (used, held) =
            sessions.get_mut(&id).filter(|(_, held)| held.channel.peer.node == peer && !held.is_over())?;
        *used = *count;
        Some(Arc::clone(held))
    }

    /// Lets go of sessions that are over, when all has gone back in them: their ends.
    pub(super) fn forget(&self) -> Vec<SessionClose> {
        let mut sessions = self.lock();
        let over = sessions.1.extract_if(.., |_, (_, held)| held.is_over() && is_quiet(held));
        over.map(|(_, (_, held))| SessionClose::new(&held.channel, Parting::Ended)).collect()
    }

    /// Lets go of everything.
    pub(super) fn leave(&self) -> Vec<SessionClose> {
        let all = std::mem::take(&mut self.lock().1);
        all.into_values().map(|(_, held)| SessionClose::new(&held.channel, Parting::Stopping)).collect()
    }

    /// Lets go of the session `id` of `peer`; whether there was one.
    pub(super) fn close(&self, id: Id, peer: NodeId) -> bool {
        let mut sessions = self.lock();
        let of_peer = sessions.1.get(&id).is_some_and(|(_, held)| held.channel.peer.node == peer);
        of_peer && sessions.1.remove(&id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing of it is under way: whoever still has it is the table.
fn is_quiet(held: &Arc<InboundSession>) -> bool {
    Arc::strong_count(held) == 1
}
