//! Ends what ended runs have left outside their process groups, of all that wait at once: to look through `/proc` costs as much for
//! one run as for a thousand.

use super::orphans::{self, Ended};
use crate::error::Error;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Whom each waiting run answers to, by its mark.
type Waiting = BTreeMap<String, oneshot::Sender<Result<usize, Error>>>;

/// The way to it. Clones share one look.
///
/// - A look that began before a run ended does not count for it.
/// - One look is under way at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Strays(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Who waits for the next look.
    waiting: Mutex<Waiting>,
    /// Held by who looks.
    turn: tokio::sync::Mutex<()>,
}

impl Strays {
    /// Ends what the run of this mark has left, and says how many processes that were. At most one call a mark at a time.
    ///
    /// # Errors
    /// [`Error::Unswept`] when some are there all the same; [`Error::Closed`] when the process stops.
    pub(super) async fn end(&self, mark: &str) -> Result<usize, Error> {
        loop {
            let (reply, mut answer) = oneshot::channel();
            self.waiting(|waiting| waiting.insert(mark.to_owned(), reply));
            tokio::select! {
                biased;
                // Who looked for it was given up on the way: it is looked for anew.
                answered = &mut answer => if let Ok(answered) = answered { return answered },
                _turn = self.0.turn.lock() => {
                    if let Ok(answered) = answer.try_recv() {
                        return answered;
                    }
                    self.look().await;
                    if let Ok(answered) = answer.try_recv() {
                        return answered;
                    }
                },
            }
        }
    }

    /// Looks once for all that wait.
    async fn look(&self) {
        let waiting = self.waiting(std::mem::take);
        let ended = orphans::end_strays(waiting.keys().cloned().collect()).await;
        for (mark, reply) in waiting {
            // Who asked may have gone.
            let _ = reply.send(of(&mark, &ended));
        }
    }

    fn waiting<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        change(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn of(mark: &str, ended: &Result<Ended<String>, Error>) -> Result<usize, Error> {
    let Ok(ended) = ended else { return Err(Error::Closed) };
    match ended.left.get(mark) {
        Some(count) => Err(Error::Unswept { count: *count }),
        None => Ok(ended.killed.get(mark).copied().unwrap_or(0)),
    }
}
