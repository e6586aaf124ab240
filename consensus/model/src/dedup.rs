//! The memory of requests: what each client's last write was, and what became of it.
//!
//! A client has one write in flight and numbers them upwards, so one row a client is enough. A row ends when log time
//! passes the later of its last use and its client's own time by [`WINDOW_MS`]; a client without a row whose time lies
//! that far back is refused, because nobody can tell any more. So an answer is never "new" for a write that was done.

use crate::hash::Hash;
use crate::ids::{ClientId, RequestId};
use crate::outcome::{Outcome, Refusal};
use crate::state::State;
use serde::{Deserialize, Serialize};

/// How long a row outlives its last use, and how far a client's own time may lie from log time: ten minutes.
pub const WINDOW_MS: u64 = 10 * 60 * 1000;
/// The most rows at a time.
pub const ROWS: usize = 100_000;

/// A client's last write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The write's number.
    pub sequence: u64,
    /// SHA-256 of the command's bytes, the permit left out: a retry may be judged anew.
    pub command: Hash,
    /// What became of it.
    pub outcome: Outcome,
    /// The log time of its last use, ms since the Unix epoch.
    pub used_ms: u64,
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing: it is to be carried out.
    New,
    /// It was carried out, with this outcome.
    Done(Outcome),
    /// It is refused for its key.
    Refused(Refusal),
}

impl Row {
    /// After which log time this row of `client` ends.
    pub(crate) fn ends_ms(&self, client: ClientId) -> u64 {
        self.used_ms.max(client.time_ms()).saturating_add(WINDOW_MS)
    }
}

/// What `state` knows of `request` for the command of this hash, at its log time. Rows that have ended are gone already.
pub(crate) fn look_up(state: &State, request: RequestId, command: &Hash) -> Known {
    let now_ms = state.counters.log_time_ms;
    let Some(row) = state.dedup.get(&request.client) else {
        return unknown_client(state, request.client.time_ms(), now_ms);
    };
    match request.sequence.cmp(&row.sequence) {
        std::cmp::Ordering::Less => Known::Refused(Refusal::KeyTooOld),
        std::cmp::Ordering::Equal if row.command == *command => Known::Done(row.outcome.clone()),
        std::cmp::Ordering::Equal => Known::Refused(Refusal::KeyReused),
        std::cmp::Ordering::Greater => Known::New,
    }
}

fn unknown_client(state: &State, client_ms: u64, now_ms: u64) -> Known {
    if client_ms.saturating_add(WINDOW_MS) < now_ms {
        return Known::Refused(Refusal::KeyTooOld);
    }
    if client_ms > now_ms.saturating_add(WINDOW_MS) {
        return Known::Refused(Refusal::KeyFromFuture);
    }
    if state.dedup.len() >= ROWS {
        return Known::Refused(Refusal::TooManyClients);
    }
    Known::New
}
