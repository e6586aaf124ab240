//! The queue before a ledger's writer: what it is asked, and what its handles and it both count.

use super::decisions::{Allowed, Portion, Wanted};
use super::disk::Error;
use std::sync::atomic::{AtomicBool, AtomicU64};
use symbi_model::DecisionId;
use symbi_model::ledger::Entry;
use symbi_proto::wire::ledger::{Chunk, Sightings};
use tokio::sync::oneshot;

/// What handles and writer both count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Entries that wait for the writer.
    pub(super) waiting: AtomicU64,
    /// Whether too many lines wait for an anchor.
    pub(super) held: AtomicBool,
    /// Entries that were not taken and that no line speaks of yet.
    pub(super) lost: AtomicU64,
}

/// What the writer is asked.
pub(super) enum Message {
    /// To record an entry.
    Record(Box<Entry>),
    /// What is known of the messages whose ids begin with this text.
    Find(String, oneshot::Sender<Result<Sightings, Error>>),
    /// Lines from a number on.
    Lines(u64, oneshot::Sender<Result<Chunk, Error>>),
    /// A verdict that denied something.
    Verdict(DecisionId, oneshot::Sender<Result<Option<Vec<u8>>, Error>>),
    /// Decisions that a portion of lines names.
    Decisions(Wanted, oneshot::Sender<Result<Portion, Error>>),
    /// What a line says of a message that a decision allowed.
    Allowed(DecisionId, u64, oneshot::Sender<Result<Option<Allowed>, Error>>),
}
