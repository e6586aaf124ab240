//! The send queues of one sender, one for each receiver, and the room that they have together.
//!
//! *When they are full* a message is refused, and its sender told so ([`Full`]): none is dropped. A queue makes room for another
//! only when nothing waits in it and nothing that left it can come back, so that messages to one receiver are never in two.

use super::envelope::{Cleared, Envelope};
use super::room::{Bytes, Full};
use super::send_queue::{Outgoing, Pushed, SendQueue};
use crate::ending::Ending;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use symbi_model::agent::AgentName;
use tokio::sync::oneshot;

/// The queues.
pub(crate) struct SendQueues {
    /// By receiver.
    queues: Mutex<Used>,
    /// How many are kept.
    capacity: usize,
    /// How many bytes may be on their way, from when a message is taken until it has ended or left for good.
    bytes: Bytes,
}

/// A count of uses, and queues with the count at which each was last used.
type Used = (u64, BTreeMap<AgentName, (u64, Arc<SendQueue>)>);

impl SendQueues {
    /// None yet, at most `capacity`, and at most `most_bytes` in all of them.
    pub(crate) fn new(capacity: usize, most_bytes: usize) -> Self {
        assert!(capacity > 0 && most_bytes > 0, "there is room for a message");
        Self { queues: Mutex::default(), capacity, bytes: Bytes::new(most_bytes) }
    }

    /// Takes a message in, behind those to the same receiver.
    pub(super) fn push(
        &self,
        envelope: Envelope,
        cleared: Cleared,
        told: oneshot::Sender<Ending>,
    ) -> Result<Pushed, Full> {
        let room = self.bytes.take(envelope.payload.len())?;
        let mut queues = self.lock();
        let queue = self.queue(&mut queues, &envelope.to)?;
        queue.push(Outgoing { envelope, cleared: Some(cleared), attempts: 0, room, told })
    }

    /// Whether nothing on its way to `receiver` has yet to leave, or may come back.
    pub(super) fn is_idle(&self, receiver: &AgentName) -> bool {
        self.lock().1.get(receiver).is_none_or(|(_, queue)| queue.is_idle())
    }

    /// Lets go of sessions that are over.
    pub(super) fn forget(&self) {
        self.lock().1.values().for_each(|(_, queue)| queue.forget());
    }

    /// The queue to `receiver`; of those that are idle, the one unused for longest makes room.
    fn queue(&self, used: &mut Used, receiver: &AgentName) -> Result<Arc<SendQueue>, Full> {
        let (count, queues) = used;
        *count += 1;
        if let Some((used, queue)) = queues.get_mut(receiver) {
            *used = *count;
            return Ok(Arc::clone(queue));
        }
        if queues.len() >= self.capacity {
            let idle = queues.iter().filter(|(_, (_, queue))| queue.is_idle());
            let oldest = idle.min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone());
            let oldest = oldest.ok_or(Full::Receivers { limit: self.capacity })?;
            queues.remove(&oldest);
        }
        let queue = SendQueue::new();
        queues.insert(receiver.clone(), (*count, Arc::clone(&queue)));
        Ok(queue)
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
