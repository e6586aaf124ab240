//! The task that asks for a grant every second, and tells those who wait how the node stands.
//!
//! Each request carries its own time, so a late answer counts from when it was asked for. An answer that would be
//! worthless (older than a grant lives) is no longer waited for.

use super::{GRANT_LIFE, Grant, GrantGuard, RENEW_EVERY, Standing};
use crate::ledger::Ledger;
use crate::ports::GrantCall;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use symbi_model::State;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// The task.
pub(crate) struct Renewal {
    /// What it keeps open.
    pub(crate) guard: GrantGuard,
    /// What judges by policies only while a leader is heard.
    pub(crate) policies: symbi_policy::Gate,
    /// The node's boot count, which the request carries.
    pub(crate) boot: u64,
    /// Where grants are asked for.
    pub(crate) calls: mpsc::Sender<GrantCall>,
    /// What says how far it has come, with each request.
    pub(crate) ledger: Ledger,
    /// What is applied.
    pub(crate) state: watch::Receiver<State>,
    /// How the node stands.
    pub(crate) standing: watch::Sender<Standing>,
    /// How many grants have come.
    pub(crate) granted: watch::Sender<u64>,
    /// The time since the machine booted.
    pub(crate) boottime: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Ends the task.
    pub(crate) cancel: CancellationToken,
}

impl Renewal {
    /// Runs until cancelled.
    pub(crate) async fn run(mut self) {
        let mut pending: FuturesUnordered<BoxFuture<'static, Option<Grant>>> = FuturesUnordered::new();
        let mut tick: Interval = interval(RENEW_EVERY);
        // After a pause one request is enough: the missed ones would all carry the same time.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancel = self.cancel.clone();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(answer) = pending.next(), if !pending.is_empty() => self.take(answer),
                _ = tick.tick() => pending.extend(self.ask()),
                changed = self.state.changed() => if changed.is_err() { return },
            }
            self.tell();
        }
    }

    fn ask(&self) -> Option<BoxFuture<'static, Option<Grant>>> {
        let requested_at = (self.boottime)();
        let (reply, answer) = oneshot::channel();
        // Full means that earlier requests still wait to be sent: this one would say no more than they do.
        let anchor = self.ledger.anchor(&self.state.borrow());
        self.calls.try_send(GrantCall { boot: self.boot, anchor, reply }).ok()?;
        let grant = async move {
            let (term, read_index) = timeout(GRANT_LIFE, answer).await.ok()?.ok()??;
            Some(Grant { requested_at, term, read_index })
        };
        Some(grant.boxed())
    }

    fn take(&self, answer: Option<Grant>) {
        if let Some(grant) = answer {
            self.guard.granted(grant);
            // A grant follows a round in which a majority confirmed the leader: no other sign of life means as much.
            self.policies.heard(grant.requested_at);
            self.granted.send_modify(|count| *count += 1);
        }
    }

    fn tell(&mut self) {
        let applied = self.state.borrow_and_update().counters.applied_index;
        let standing = self.guard.standing(applied);
        self.standing.send_if_modified(|told| std::mem::replace(told, standing) != standing);
    }
}

#[cfg(test)]
mod tests {
    use super::{GrantGuard, Ledger, Renewal};
    use crate::grants::Standing;
    use crate::ledger;
    use ed25519_dalek::SigningKey;
    use std::sync::Arc;
    use std::time::Duration;
    use symbi_model::State;
    use symbi_store::memory::{Disk, Memory};
    use tokio::sync::{mpsc, watch};
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    /// A ledger that nobody writes.
    fn ledger(state: &watch::Receiver<State>) -> Ledger {
        let ports = ledger::Ports {
            key: Arc::new(SigningKey::from_bytes(&[1; 32])),
            boot: 7,
            engine: Arc::new(Memory::open(Disk::new()).unwrap()),
            state: state.clone(),
            wall_ms: Arc::new(|| 0),
            observer: Arc::new(|_| {}),
        };
        ledger::new(ports, CancellationToken::new()).0
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_counts_from_when_it_was_asked_for() {
        let since = Instant::now();
        let boottime: Arc<dyn Fn() -> Duration + Send + Sync> = Arc::new(move || since.elapsed());
        let guard = GrantGuard::new(Arc::clone(&boottime));
        let (calls, mut asked) = mpsc::channel(2);
        let (_state, state) = watch::channel(State::default());
        let (standing, stands) = watch::channel(Standing::Silent);
        let (granted, _) = watch::channel(0);
        let cancel = CancellationToken::new();
        let clocks = symbi_policy::Clocks { wall_ms: Arc::new(|| 0), boottime: Arc::clone(&boottime) };
        let policies = symbi_policy::Gate::new(symbi_policy::Options::new(symbi_model::NodeId([1; 32])), clocks);
        let (guard_, cancel_) = (guard.clone(), cancel.clone());
        let ledger = ledger(&state);
        let renewal = Renewal {
            guard: guard_,
            policies,
            boot: 7,
            calls,
            ledger,
            state,
            standing,
            granted,
            boottime,
            cancel: cancel_,
        };
        let task = tokio::spawn(renewal.run());
        let first = asked.recv().await.unwrap();
        assert_eq!((first.boot, guard.check(0).is_ok()), (7, false));
        sleep(Duration::from_millis(4_500)).await;
        first.reply.send(Some((1, 0))).unwrap();
        sleep(Duration::from_millis(10)).await;
        assert_eq!(*stands.borrow(), Standing::Open);
        sleep(Duration::from_millis(1_500)).await;
        assert!(guard.check(0).is_err(), "six seconds after the request, not after the answer");
        sleep(Duration::from_secs(3)).await;
        assert_eq!(*stands.borrow(), Standing::Silent);
        cancel.cancel();
        task.await.unwrap();
    }
}
