//! Whether an agent answers: how many of its messages in a row it has left unanswered for the time that its spec gives it.
//!
//! That time counts from when the agent was given the message, or from its last answer to anything, whichever is later: one that
//! works through many messages answers, however many wait. How long askers wait is theirs to say and decides nothing here. An
//! answer that comes later still is a sign of life too, and a message during whose time the gates were shut says nothing: the
//! agent may have been stopped.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

/// After so many messages in a row left unanswered an agent is unresponsive.
pub(crate) const MISSES: u32 = 3;
/// Messages that are watched beyond their deadlines at once. What is above cannot make an agent that answers unresponsive, nor
/// one responsive that does not.
const WATCHED: usize = 1_024;

/// The misses of one incarnation.
#[derive(Debug)]
pub(crate) struct Responsiveness {
    /// How long it has for an answer.
    within: Duration,
    /// Misses in a row.
    misses: watch::Sender<u32>,
    /// When it last answered anything.
    last: Mutex<Option<Instant>>,
    /// Bounds the messages that are watched.
    watched: Semaphore,
}

/// A message that is watched though nobody waits for its answer.
pub(crate) struct Late<'a> {
    /// Its place among them.
    _place: SemaphorePermit<'a>,
    /// Until when.
    pub(crate) until: Instant,
}

/// What became of a message that was watched.
enum Watched<T> {
    /// It was answered.
    Answered(T),
    /// Its time is up.
    Missed,
}

impl Responsiveness {
    /// Of an agent that has so long for an answer, and was given nothing yet.
    pub(crate) fn new(within: Duration) -> Self {
        let watched = Semaphore::new(WATCHED);
        Self { within, misses: watch::Sender::new(0), last: Mutex::default(), watched }
    }

    /// It has answered something.
    pub(crate) fn answered(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.misses.send_if_modified(|misses| std::mem::take(misses) > 0);
    }

    /// Misses in a row, for those who wait for them.
    pub(crate) fn misses(&self) -> watch::Receiver<u32> {
        self.misses.subscribe()
    }

    /// Waits for the answer to a message that the agent was given at `since`. When its time is up without one, and `counts` says
    /// that it does, it is missed; the answer is awaited on.
    pub(crate) async fn watch<T>(
        &self,
        since: Instant,
        counts: impl Fn() -> bool,
        answer: impl Future<Output = T>,
    ) -> T {
        let mut answer = Box::pin(answer);
        if let Watched::Answered(answer) = self.until_due(since, answer.as_mut()).await {
            return answer;
        }
        if counts() {
            self.misses.send_modify(|misses| *misses = misses.saturating_add(1));
        }
        answer.await
    }

    /// A place among those that are watched though nobody waits for their answers any more; none if there are too many.
    pub(crate) fn late(&self, since: Instant) -> Option<Late<'_>> {
        let place = self.watched.try_acquire().ok()?;
        Some(Late { _place: place, until: Instant::now().max(since + self.within) + self.within })
    }

    /// Waits for the answer until it is due.
    async fn until_due<T>(&self, since: Instant, mut answer: impl Future<Output = T> + Unpin) -> Watched<T> {
        loop {
            let due = self.due(since);
            if let Ok(answer) = timeout_at(due, &mut answer).await {
                return Watched::Answered(answer);
            }
            if self.due(since) <= Instant::now() {
                return Watched::Missed;
            }
        }
    }

    fn due(&self, since: Instant) -> Instant {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or(since, |last| last.max(since)) + self.within
    }
}
