//! What is known of a request, by its client's last write.

use crate::dedup::{Asker, ROWS, SHARE, WINDOW_MS};
use crate::hash::Hash;
use crate::ids::RequestId;
use crate::outcome::{Outcome, Refusal};
use crate::state::State;

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is to be carried out.
    New,
    /// It was carried out, with this outcome.
    Done(Outcome),
    /// It is refused for its key.
    Refused(Refusal),
}

/// What `state` knows of `request` for the command of this hash, at its log time. Rows that have ended are gone already.
pub(super) fn look_up(state: &State, request: RequestId, command: &Hash, asker: Asker) -> Known {
    let now_ms = state.counters.log_time_ms;
    let Some(row) = state.dedup.get(&request.client) else {
        return unknown_client(state, request.client.time_ms(), now_ms, asker);
    };
    match request.sequence.cmp(&row.sequence) {
        std::cmp::Ordering::Less => Known::Refused(Refusal::KeyTooOld),
        std::cmp::Ordering::Equal if row.command == *command => Known::Done(row.outcome.clone()),
        std::cmp::Ordering::Equal => Known::Refused(Refusal::KeyReused),
        std::cmp::Ordering::Greater => Known::New,
    }
}

fn unknown_client(state: &State, client_ms: u64, now_ms: u64, asker: Asker) -> Known {
    if client_ms.saturating_add(WINDOW_MS) < now_ms {
        return Known::Refused(Refusal::KeyTooOld);
    }
    if client_ms > now_ms.saturating_add(WINDOW_MS) {
        return Known::Refused(Refusal::KeyFromFuture);
    }
    if state.index.dedup_shares.get(&asker).is_some_and(|rows| *rows >= SHARE) {
        return Known::Refused(Refusal::ClientShare);
    }
    if state.dedup.len() >= ROWS {
        return Known::Refused(Refusal::TooManyClients);
    }
    Known::New
}
