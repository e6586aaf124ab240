//! A message on its way into an agent, and the receipt by which whoever brought it learns how it ended.
//!
//! The two agree on whether it was handed over even when the deadline falls between: whichever comes first says so, once,
//! and the other one heeds it.

use crate::ending::Ending;
use std::sync::{Arc, OnceLock};
use symbi_model::MessageId;
use symbi_policy::{Permit, Receive};
use symbi_proto::session::Kind;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// What a delivery says.
pub(crate) struct Content {
    /// The message's id.
    pub(crate) message: MessageId,
    /// `Ask` or `Tell`.
    pub(crate) kind: Kind,
    /// Who sent it, as the agent is told: an agent's name, or `user:NAME`.
    pub(crate) from: String,
    /// Compact JSON.
    pub(crate) payload: Vec<u8>,
    /// When it is too late to hand it over.
    pub(crate) deadline: Instant,
    /// The same by the sender's wall clock, for the agent to read.
    pub(crate) deadline_ms: u64,
}

/// A message on its way into an agent.
pub(crate) struct Delivery {
    /// What it says.
    pub(crate) content: Content,
    /// What allows the receiver to be given it.
    pub(crate) permit: Permit<Receive>,
    /// Where its ending goes; used up when told. A `tell` ends for its sender when it is in the queue.
    reply: Option<oneshot::Sender<Ending>>,
    /// Whether it is handed to the process, once that is settled.
    handed: Arc<OnceLock<bool>>,
}

/// The other end of a delivery.
pub(crate) struct Receipt {
    /// Brings the ending.
    ending: oneshot::Receiver<Ending>,
    /// Whether it is handed to the process, once that is settled.
    handed: Arc<OnceLock<bool>>,
}

impl Delivery {
    /// A delivery and its receipt.
    pub(crate) fn new(content: Content, permit: Permit<Receive>) -> (Self, Receipt) {
        let (reply, ending) = oneshot::channel();
        let handed = Arc::<OnceLock<bool>>::default();
        (Self { content, permit, reply: Some(reply), handed: Arc::clone(&handed) }, Receipt { ending, handed })
    }

    /// Tells the ending, once; false if nobody waits any longer.
    pub(crate) fn end(&mut self, ending: Ending) -> bool {
        self.reply.take().is_some_and(|reply| reply.send(ending).is_ok())
    }

    /// Whether its ending was told.
    pub(crate) fn is_told(&self) -> bool {
        self.reply.is_none()
    }

    /// How long its payload is.
    pub(crate) fn bytes(&self) -> usize {
        self.content.payload.len()
    }

    /// Marks it as handed over; false if it must not be: its time is up, or its sender was told that it was not.
    pub(crate) fn hand_over(&self) -> bool {
        !self.is_stale(Instant::now()) && self.handed.set(true).is_ok()
    }

    /// Whether its time is up, or nobody waits for the ending that it has yet to tell.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        self.content.deadline <= now || self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

impl Receipt {
    /// The ending, if it was told already.
    pub(crate) fn told(&mut self) -> Option<Ending> {
        self.ending.try_recv().ok()
    }

    /// The ending, or at `deadline` that there was none.
    pub(crate) async fn wait(mut self, deadline: Instant) -> Ending {
        match timeout_at(deadline, &mut self.ending).await {
            Ok(Ok(ending)) => ending,
            Ok(Err(_)) => self.abandoned(),
            Err(_) => {
                self.ending.close();
                let late = self.ending.try_recv();
                late.unwrap_or_else(|_| Ending::DeadlineExceeded { delivered: *self.handed.get_or_init(|| false) })
            }
        }
    }

    /// The delivery was dropped without a word: its incarnation has ended.
    fn abandoned(&self) -> Ending {
        if self.handed.get() == Some(&true) {
            return Ending::OutcomeUnknown;
        }
        Ending::NotDelivered { reason: "the receiver ended before it was given the message".to_owned() }
    }
}
