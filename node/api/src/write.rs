//! How a write travels: with its key and permit to the proposer, and back with its outcome.

use crate::error::Error;
use crate::keys::{self, Pool};
use crate::ports::Ports;
use axum::http::HeaderMap;
use symbi_model::policy::PermitRef;
use symbi_model::{Command, Committed, Outcome, Proposal, ProposeError};
use tokio::sync::oneshot;

/// No write waits longer, in ms.
pub const MAX_TIMEOUT_MS: u64 = 60_000;

/// The header with the caller's own key.
pub const KEY_HEADER: &str = "idempotency-key";

/// Proposes `command`, under the key in `headers` or one of the pool.
///
/// # Errors
/// The refusal, or why there is no outcome.
pub async fn propose(
    ports: &Ports,
    pool: &Pool,
    headers: &HeaderMap,
    permit: PermitRef,
    command: Command,
) -> Result<Committed, Error> {
    let loan = match headers.get(KEY_HEADER) {
        Some(key) => Err(keys::parse(key.to_str().unwrap_or_default())?),
        None => Ok(pool.lend((ports.wall_ms)())),
    };
    let request = match &loan {
        Ok(loan) => loan.key,
        Err(key) => *key,
    };
    let deadline_ms = timeout_ms(headers)?;
    let (reply, answer) = oneshot::channel();
    let proposal =
        Proposal { command, request: Some(request), permit: Some(permit), decided_term: None, deadline_ms, reply };
    ports.proposals.send(proposal).await.map_err(|_| ProposeError::Stopping)?;
    // Whoever had it is gone, and may have sent it before.
    let committed = answer.await.unwrap_or(Err(ProposeError::Unknown))?;
    if let Ok(loan) = loan {
        loan.settle();
    }
    match committed.outcome {
        Outcome::Refused(refusal) => Err(refusal.into()),
        _ => Ok(committed),
    }
}

fn timeout_ms(headers: &HeaderMap) -> Result<u64, Error> {
    let Some(value) = headers.get("symbi-timeout-ms") else { return Ok(MAX_TIMEOUT_MS) };
    let wrong = || Error::BadRequest(format!("Symbi-Timeout-Ms is a number from 1 to {MAX_TIMEOUT_MS}"));
    let timeout: u64 = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    if (1..=MAX_TIMEOUT_MS).contains(&timeout) { Ok(timeout) } else { Err(wrong()) }
}
