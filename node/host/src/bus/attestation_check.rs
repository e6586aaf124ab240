//! The queue of batches that came and whose signatures are to be checked, off the path of delivery.
//!
//! At most [`QUEUE`] batches wait.

use super::channel::Channel;
use std::sync::Arc;
use symbi_model::ledger::Message;
use symbi_proto::session::Claim;
use tokio::sync::mpsc;

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
    /// The way to the task, and what it takes batches from.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Check>) {
        let (checks, checked) = mpsc::channel(QUEUE);
        (Self { checks }, checked)
    }

    /// Has a batch checked; gives it back if too many wait, or nobody checks any more.
    pub(super) fn push(&self, check: Check) -> Option<Check> {
        match self.checks.try_send(check) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(check) | mpsc::error::TrySendError::Closed(check)) => Some(check),
        }
    }
}
