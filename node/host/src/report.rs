//! Tells the cluster what an agent does: one report at a time, the newest first, again and again until it is committed.
//!
//! Reports are idempotent (the epoch fences them), so a retry after an unknown fate does no harm. A newer report takes the
//! place of an older one that still waits. A release is the last report of its epoch, and told only when it is on disk.

use crate::releases::Releases;
use std::sync::Arc;
use std::time::Duration;
use symbi_control::Proposals;
use symbi_model::command::Report;
use symbi_model::{Command, Outcome, Proposal, ProposeError, Refusal};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long one attempt waits for its outcome.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The wait after the first failed attempt; doubled up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait between attempts.
const LONGEST: Duration = Duration::from_secs(5);

/// The reports of one agent under one epoch. Dropping it ends them, committed or not.
pub(crate) struct Reporter {
    /// What is to be told, with its number.
    newest: watch::Sender<(u64, Option<Report>)>,
    /// The number of the last one that is settled: committed, or overtaken by the cluster.
    settled: watch::Receiver<u64>,
    /// Ends the task.
    cancel: CancellationToken,
}

impl Reporter {
    /// Starts the task that proposes them.
    pub(crate) fn spawn(proposals: Proposals, releases: Arc<Releases>) -> Self {
        let (newest, reports) = watch::channel((0, None));
        let (settle, settled) = watch::channel(0);
        let cancel = CancellationToken::new();
        let task = Task { proposals, releases, reports, settle };
        let ended = cancel.clone();
        // It owns nothing but its channels, and ends with this reporter.
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = ended.cancelled() => (),
                () = task.run() => (),
            }
        });
        Self { newest, settled, cancel }
    }

    /// Takes `report`, numbered, in place of any that still waits.
    pub(crate) fn tell(&self, report: Report) {
        self.newest.send_modify(|(number, newest)| {
            *number += 1;
            *newest = Some(Report { sequence: *number, ..report });
        });
    }

    /// Waits until the last report given is settled.
    pub(crate) async fn settled(&mut self) {
        let number = self.newest.borrow().0;
        // An error means that the task has ended: nobody is left to tell.
        let _ = self.settled.wait_for(|settled| *settled >= number).await;
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

struct Task {
    /// Where reports go.
    proposals: Proposals,
    /// Where releases are kept.
    releases: Arc<Releases>,
    /// The newest report, with its number.
    reports: watch::Receiver<(u64, Option<Report>)>,
    /// The number of the last one that is settled.
    settle: watch::Sender<u64>,
}

impl Task {
    async fn run(mut self) {
        while self.reports.changed().await.is_ok() {
            let mut wait = FIRST;
            loop {
                let (number, report) = self.reports.borrow_and_update().clone();
                let Some(report) = report else { break };
                if self.attempt(report).await {
                    self.settle.send_replace(number);
                    break;
                }
                tokio::select! {
                    biased;
                    () = sleep(wait) => (),
                    changed = self.reports.changed() => if changed.is_err() { return },
                }
                wait = (2 * wait).min(LONGEST);
            }
        }
    }

    /// Proposes once; true if the report needs no further attempt.
    async fn attempt(&self, report: Report) -> bool {
        if report.released
            && let Err(error) = self.releases.put(&report).await
        {
            tracing::error!(agent = %report.name, %error, "an end is not told while it is not on disk");
            return false;
        }
        let (reply, outcome) = oneshot::channel();
        let name = report.name.clone();
        let deadline_ms = u64::try_from(ATTEMPT.as_millis()).unwrap_or(u64::MAX);
        let command = Command::Report(report);
        let proposal = Proposal { command, request: None, permit: None, decided_term: None, deadline_ms, reply };
        if self.proposals.send(proposal).await.is_err() {
            return true;
        }
        match outcome.await {
            Ok(Ok(committed)) => settles(&committed.outcome, name.as_str()),
            Ok(Err(ProposeError::Stopping)) => true,
            Ok(Err(error)) => {
                tracing::debug!(agent = %name, %error, "a report was not committed and is tried again");
                false
            }
            Err(_) => false,
        }
    }
}

fn settles(outcome: &Outcome, name: &str) -> bool {
    match outcome {
        Outcome::Refused(Refusal::StaleEpoch | Refusal::NotFound | Refusal::OriginNotMember) => {
            tracing::debug!(agent = name, ?outcome, "a report was overtaken");
            true
        }
        Outcome::Refused(refusal) => {
            tracing::error!(agent = name, %refusal, "a report was refused and is tried again");
            false
        }
        Outcome::Unknown(coded) => {
            tracing::error!(agent = name, code = %coded.code, "a report came to what this program does not know");
            true
        }
        _ => true,
    }
}
