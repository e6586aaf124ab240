//! Keeps the log short: makes snapshots, and purges what they make superfluous.
//!
//! openraft's own policy does neither: it purges in memory before storage hears of it, and past a snapshot that is still on
//! its way to a follower, which then needs another.

pub mod plan;

use plan::{Standing, plan};

use crate::applier::{Progress, Raft};
use crate::log::Meter;
use crate::machine::Machine;
use crate::options::Options;
use crate::transfers::Transfers;
use openraft::async_runtime::WatchReceiver;
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(250);

/// Looks, and does what is planned.
pub struct Actor<M: Machine> {
    /// The replica.
    raft: Raft<M>,
    /// How far the state machine is.
    progress: watch::Receiver<Progress>,
    /// Weighs the log.
    meter: Meter,
    /// The snapshots on their way to others.
    transfers: Transfers,
    /// The replica's options.
    options: Options,
}

impl<M: Machine> Actor<M> {
    /// Not running yet.
    pub fn new(
        raft: Raft<M>,
        progress: watch::Receiver<Progress>,
        meter: Meter,
        transfers: Transfers,
        options: Options,
    ) -> Self {
        Self { raft, progress, meter, transfers, options }
    }

    /// Runs until it is cancelled or the replica has stopped.
    pub async fn run(self, cancel: CancellationToken) {
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while cancel.run_until_cancelled(period.tick()).await.is_some() {
            let looked = cancel.run_until_cancelled(self.look()).await;
            match looked {
                Some(Ok(())) => {}
                // It stays as long as it is, and the next look may find the disk better.
                Some(Err(error)) => tracing::warn!(%error, "the log could not be looked at"),
                None => return,
            }
        }
    }

    async fn look(&self) -> io::Result<()> {
        let standing = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            Standing {
                purged: metrics.purged.map_or(0, |id| id.index),
                snapshot: metrics.snapshot.map_or(0, |id| id.index),
                applied: self.progress.borrow().applied.map_or(0, |id| id.index),
                sending: self.transfers.purgeable(),
                audited: self.options.audited.as_ref().map(|audited| *audited.borrow()),
            }
        };
        let plan = plan(&self.options.bounds(), &standing, |from, to| self.meter.weigh(from, to))?;
        // A replica that has stopped does neither.
        if plan.snapshot {
            drop(self.raft.trigger().snapshot().await);
        }
        if let Some(upto) = plan.purge {
            drop(self.raft.trigger().purge_log(upto).await);
        }
        Ok(())
    }
}
