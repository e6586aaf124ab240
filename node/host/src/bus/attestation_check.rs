//! Checks the signatures over batches that came, one after the other and off the path of delivery, and has the
//! ledger record them.
//!
//! At most [`QUEUE`] batches wait; with more, whoever brings one checks it itself, which holds back its peer.

use super::channel::Channel;
use crate::host::Host;
use std::sync::Arc;
use symbi_model::ledger::{Entry, Message, MessageBatch};
use symbi_proto::session::Claim;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Batches that may wait.
const QUEUE: usize = 1_024;

/// A batch that came.
pub(crate) struct Check {
    /// In which session.
    pub(super) channel: Arc<Channel>,
    /// What its sender says.
    pub(super) claim: Claim,
    /// What it covers.
    pub(super) messages: Vec<Message>,
}

/// The way to the task that checks.
pub(crate) struct AttestationChecks {
    /// What is to be checked.
    checks: mpsc::Sender<Check>,
}

impl AttestationChecks {
    /// The way to the task, and what it is to [`run`] with.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Check>) {
        let (checks, checked) = mpsc::channel(QUEUE);
        (Self { checks }, checked)
    }

    /// Has a batch checked.
    pub(super) fn check(&self, host: &Host, check: Check) {
        if let Err(mpsc::error::TrySendError::Full(check) | mpsc::error::TrySendError::Closed(check)) =
            self.checks.try_send(check)
        {
            check.carry_out(host);
        }
    }
}

/// Checks until `stop`, and then what still waits.
pub(crate) async fn run(host: Arc<Host>, mut checks: mpsc::Receiver<Check>, stop: CancellationToken) {
    while let Some(Some(check)) = stop.run_until_cancelled(checks.recv()).await {
        check.carry_out(&host);
    }
    checks.close();
    while let Some(check) = checks.recv().await {
        check.carry_out(&host);
    }
}

impl Check {
    fn carry_out(self, host: &Host) {
        let Self { channel, claim, messages } = self;
        match claim.verify(&channel.peer.key) {
            Ok(attestation) => {
                host.counters.messages_attested.add(messages.len() as u64);
                let batch = MessageBatch { session: channel.id.0, attestation: Some(attestation), messages };
                host.ledger.record(Entry::Received(batch));
            }
            Err(error) => channel.close(host, &error.to_string(), messages),
        }
    }
}
