//! Ends what ended runs have left outside their process groups. To look through `/proc` costs as much for one run as for a
//! thousand: all runs that wait are looked for at once.
//!
//! A run waits for nothing but looks: one whose processes cannot be killed holds up no other.

use super::orphans;
use super::pidfd::Pidfd;
use crate::error::Error;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// What was found of one run.
type Found = Result<Vec<Pidfd>, Error>;
/// Whom each waiting run answers to, by its mark.
type Waiting = BTreeMap<String, oneshot::Sender<Found>>;

/// The way to it. Clones share one look.
///
/// - A look that began before a run asked for one does not count for it.
/// - One look is under way at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Strays(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Who waits for the next look.
    waiting: Mutex<Waiting>,
    /// Held by who looks.
    turn: tokio::sync::Mutex<()>,
    /// How many looks there were.
    #[cfg(test)]
    looks: std::sync::atomic::AtomicUsize,
}

impl Strays {
    /// Ends what the run of this mark has left, and says how many processes that were. At most one call a mark at a time.
    ///
    /// # Errors
    /// [`Error::Unswept`] when some are there all the same; [`Error::Closed`] when the process stops.
    pub(super) async fn end(&self, mark: &str) -> Result<usize, Error> {
        orphans::end(|| self.find(mark)).await
    }

    /// What the run of this mark has running, by a look that begins after the call.
    async fn find(&self, mark: &str) -> Found {
        loop {
            let (reply, mut answer) = oneshot::channel();
            self.waiting(|waiting| waiting.insert(mark.to_owned(), reply));
            tokio::select! {
                biased;
                // Who looked for it was given up on the way: it is looked for anew.
                answered = &mut answer => if let Ok(found) = answered { return found },
                _turn = self.0.turn.lock() => {
                    if let Ok(found) = answer.try_recv() {
                        return found;
                    }
                    self.look().await;
                    if let Ok(found) = answer.try_recv() {
                        return found;
                    }
                },
            }
        }
    }

    /// Looks once for all that wait.
    async fn look(&self) {
        #[cfg(test)]
        self.0.looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let waiting = self.waiting(std::mem::take);
        let found = orphans::of_runs(waiting.keys().cloned().collect()).await;
        let mut of_run: BTreeMap<String, Vec<Pidfd>> = BTreeMap::new();
        let is_closed = found.is_err();
        for (mark, process) in found.into_iter().flatten() {
            of_run.entry(mark).or_default().push(process);
        }
        for (mark, reply) in waiting {
            let found = of_run.remove(&mark).unwrap_or_default();
            // Who asked may have gone.
            let _ = reply.send(if is_closed { Err(Error::Closed) } else { Ok(found) });
        }
    }

    fn waiting<T>(&self, change: impl FnOnce(&mut Waiting) -> T) -> T {
        change(&mut self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::Ordering;
    use tokio::task::JoinSet;

    fn marked(mark: &str) -> Child {
        let mut sleep = Command::new("sleep");
        sleep.arg("600").env(orphans::MARK, mark).stdin(Stdio::null()).spawn().unwrap()
    }

    #[tokio::test]
    async fn a_crowd_of_ends_is_looked_for_at_once_and_each_is_told_of_its_own() {
        const CROWD: usize = 300;
        let directory = tempfile::tempdir().unwrap();
        let mark = |number: usize| format!("{}/a{number}@1.1", directory.path().display());
        let mut left = [marked(&mark(7)), marked(&mark(7)), marked(&mark(8))];
        let mut other = marked(&mark(CROWD));
        let strays = Strays::default();
        let mut ends = JoinSet::new();
        for number in 0..CROWD {
            let (strays, mark) = (strays.clone(), mark(number));
            ends.spawn(async move { (number, strays.end(&mark).await.unwrap()) });
        }
        let mut ended: Vec<_> = ends.join_all().await.into_iter().filter(|(_, count)| *count > 0).collect();
        ended.sort_unstable();
        assert_eq!(ended, [(7, 2), (8, 1)]);
        assert!(left.iter_mut().all(|child| child.wait().is_ok()));
        assert!(other.try_wait().unwrap().is_none(), "it is nobody's who ended");
        other.kill().unwrap();
        other.wait().unwrap();
        let looks = strays.0.looks.load(Ordering::Relaxed);
        assert!(looks <= 6, "{looks} looks");
    }

    /// The looker is given up while it looks: whom it looked for is looked for by another.
    #[tokio::test]
    async fn who_waits_for_a_look_that_is_given_up_is_looked_for_anew() {
        let strays = Strays::default();
        let turn = strays.0.turn.lock().await;
        let waiting = tokio::spawn({
            let strays = strays.clone();
            async move { strays.end("/nowhere/a@1.1").await }
        });
        while strays.waiting(|waiting| waiting.is_empty()) {
            tokio::task::yield_now().await;
        }
        strays.waiting(std::mem::take);
        drop(turn);
        assert_eq!(waiting.await.unwrap().unwrap(), 0);
    }
}
