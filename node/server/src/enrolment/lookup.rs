//! Looking for what this node does not know yet: a read of the leader for all who ask at about the same time.
//!
//! A stranger may name any token, and a member that does not know it must hear from the leader before it says that there is
//! none. So these reads are shared, and at most one a second begins, whoever asks for what; who comes in between waits.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The least time between the beginnings of two reads.
const EVERY: Duration = Duration::from_secs(1);

/// The reads. Clones are the same.
#[derive(Clone, Default)]
pub struct Lookup {
    /// The last one.
    last: Arc<Mutex<Option<Read>>>,
}

/// A read of the leader that has ended.
struct Read {
    /// When it began.
    began: Instant,
    /// The index that it gave; none if no leader could be asked.
    index: Option<u64>,
}

impl Lookup {
    /// An index that a leader has confirmed by a read that began after this call; none if no leader can be asked.
    pub async fn index<F>(&self, read: impl FnOnce() -> F) -> Option<u64>
    where
        F: Future<Output = Option<u64>>,
    {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(last) = &*last {
            if last.began >= asked {
                return last.index;
            }
            sleep_until(last.began + EVERY).await;
        }
        let began = Instant::now();
        let index = read().await;
        *last = Some(Read { began, index });
        index
    }
}

#[cfg(test)]
mod tests {
    use super::{EVERY, Lookup};
    use futures::future::join_all;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn strangers_with_unknown_tokens_cost_the_leader_one_read_a_second() {
        let (lookup, reads) = (Lookup::default(), AtomicU64::new(0));
        let stranger = |number: u64| {
            let (lookup, reads) = (&lookup, &reads);
            async move {
                // Two hundred of them within four seconds.
                tokio::time::sleep(Duration::from_millis(number * 20)).await;
                let asked = Instant::now();
                let index = lookup.index(async || {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Some(reads.fetch_add(1, Ordering::Relaxed))
                });
                assert!(index.await.is_some());
                assert!(asked.elapsed() < 2 * EVERY, "nobody waits for long: {:?}", asked.elapsed());
            }
        };
        join_all((0..200).map(stranger)).await;
        let reads = reads.load(Ordering::Relaxed);
        assert!((4..=6).contains(&reads), "{reads} reads");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_never_older_than_the_question() {
        let lookup = Lookup::default();
        let slow = lookup.clone();
        let first = tokio::spawn(async move {
            slow.index(async || {
                tokio::time::sleep(Duration::from_secs(3)).await;
                Some(1)
            })
            .await
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(lookup.index(async || Some(2)).await, Some(2), "the read under way began before this was asked");
        assert_eq!(first.await.unwrap(), Some(1));
    }
}
