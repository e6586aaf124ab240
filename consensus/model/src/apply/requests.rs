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

/// What `state` knows of `request` for the command of this hash, in an entry of the time `entry_ms`. Rows that have ended are gone
/// already.
pub(super) fn look_up(state: &State, request: RequestId, command: &Hash, asker: Asker, entry_ms: u64) -> Known {
    let Some(row) = state.dedup.get(&request.client) else {
        return unknown_client(state, request.client.time_ms(), entry_ms, asker);
    };
    match request.sequence.cmp(&row.sequence) {
        std::cmp::Ordering::Less => Known::Refused(Refusal::KeyTooOld),
        std::cmp::Ordering::Equal if row.command == *command => Known::Done(row.outcome.clone()),
        std::cmp::Ordering::Equal => Known::Refused(Refusal::KeyReused),
        std::cmp::Ordering::Greater => Known::New,
    }
}

/// Whether there is no room for a row of one client more.
pub(super) fn is_full(state: &State, asker: Asker) -> bool {
    has_spent_share(state, asker) || state.dedup.len() >= ROWS
}

/// Nobody has more rows than are left free for all: so however many askers take what they can, one that has none still finds room.
fn has_spent_share(state: &State, asker: Asker) -> bool {
    let free = ROWS.saturating_sub(state.dedup.len());
    state.index.dedup_shares.get(&asker).is_some_and(|rows| *rows >= SHARE.min(free))
}

fn unknown_client(state: &State, client_ms: u64, entry_ms: u64, asker: Asker) -> Known {
    if client_ms.saturating_add(WINDOW_MS) < entry_ms || state.spent.covers(client_ms) {
        return Known::Refused(Refusal::KeyTooOld);
    }
    // Where the clock of now lies in times that are spent, a client's id is made of the first one behind them.
    if client_ms > entry_ms.max(state.spent.last()).saturating_add(WINDOW_MS) {
        return Known::Refused(Refusal::KeyFromFuture);
    }
    if has_spent_share(state, asker) {
        return Known::Refused(Refusal::ClientShare);
    }
    if state.dedup.len() >= ROWS {
        return Known::Refused(Refusal::TooManyClients);
    }
    Known::New
}
