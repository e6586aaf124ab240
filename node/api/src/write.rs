//! How a write travels: it is judged, goes with its key and permit to the proposer, and comes back with its outcome.
//!
//! A permit is good for the policy set by which it was given. Where that is no longer current when the command is applied,
//! nothing was done, and the write is judged again by the set that is, under the same key.

use crate::error::Error;
use crate::keys::{self, Loan, Pool};
use crate::ports::Ports;
use axum::http::HeaderMap;
use std::time::Duration;
use symbi_model::ids::RequestId;
use symbi_model::policy::PermitRef;
use symbi_model::{Command, Committed, Outcome, Proposal, ProposeError, Refusal, State};
use symbi_policy::{Act, Gate};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

/// No write waits longer, in ms.
pub const MAX_TIMEOUT_MS: u64 = 60_000;

/// The header with the caller's own key.
pub const KEY_HEADER: &str = "idempotency-key";

/// How often a write is judged, at most, while policies change.
const JUDGED: u32 = 16;

/// What judges a write and carries it to the log.
#[derive(Clone)]
pub struct Writer {
    /// The replicated state, as far as this node has applied it.
    pub state: watch::Receiver<State>,
    /// Who judges.
    pub gate: Gate,
    /// Where writes go.
    pub proposals: symbi_control::Proposals,
}

impl Writer {
    /// Has `act` judged and sends `command` under the key `request` and the permit; again while policies change under it.
    ///
    /// # Errors
    /// The denial, by the policies that are current at last; why there is no outcome.
    pub async fn permitted<R: Act + Clone>(
        &self,
        act: &R,
        request: RequestId,
        command: Command,
        deadline_ms: u64,
    ) -> Result<Committed, Error> {
        let judge = |gate: &Gate, state: &State| Ok(gate.judge(state, act.clone())?.reference());
        self.judged(judge, request, command, deadline_ms).await
    }

    /// As [`Writer::permitted`], for what is judged otherwise than as one act.
    ///
    /// # Errors
    /// As `judge`; why there is no outcome.
    pub async fn judged<J>(
        &self,
        judge: J,
        request: RequestId,
        command: Command,
        deadline_ms: u64,
    ) -> Result<Committed, Error>
    where
        J: Fn(&Gate, &State) -> Result<PermitRef, Error>,
    {
        let until = Instant::now() + Duration::from_millis(deadline_ms);
        let mut left_ms = deadline_ms;
        for judged in 1.. {
            let permit = judge(&self.gate, &self.state.borrow().clone())?;
            let committed = submit(&self.proposals, request, permit, command.clone(), left_ms).await?;
            let moved = matches!(committed.outcome, Outcome::Refused(Refusal::PolicyMoved { .. }));
            if !moved || judged == JUDGED {
                return Ok(committed);
            }
            // The set that is current now is known here once that index is.
            let mut state = self.state.clone();
            let known = state.wait_for(|state| state.counters.applied_index >= committed.index);
            let late =
                || Error::Deadline("the policies have just changed, and this node does not have them yet".to_owned());
            timeout_at(until, known).await.map_err(|_| late())?.map_err(|_| ProposeError::Stopping)?;
            let left = until.duration_since(Instant::now()).as_millis();
            left_ms = u64::try_from(left).map_or(deadline_ms, |left| left.max(1));
        }
        unreachable!("the last time it is judged, it is answered")
    }
}

/// Has `act` judged and proposes `command`, under the key in `headers` or one of the pool.
///
/// # Errors
/// The denial, the refusal, or why there is no outcome.
pub async fn propose<R: Act + Clone>(
    ports: &Ports,
    pool: &Pool,
    headers: &HeaderMap,
    act: &R,
    command: Command,
) -> Result<Committed, Error> {
    let judge = |gate: &Gate, state: &State| Ok(gate.judge(state, act.clone())?.reference());
    propose_judged(ports, pool, headers, judge, command).await
}

/// As [`propose`], for what is judged otherwise than as one act.
///
/// # Errors
/// As `judge`; the refusal, or why there is no outcome.
pub async fn propose_judged<J>(
    ports: &Ports,
    pool: &Pool,
    headers: &HeaderMap,
    judge: J,
    command: Command,
) -> Result<Committed, Error>
where
    J: Fn(&Gate, &State) -> Result<PermitRef, Error>,
{
    let key = Key::of(ports, pool, headers)?;
    let committed = writer(ports).judged(judge, key.request, command, timeout_ms(headers)?).await?;
    key.settle(&committed);
    accepted(committed)
}

/// Proposes `command` as [`propose`] does, by one permit alone: where what was found out besides holds under its policy set only.
///
/// # Errors
/// The refusal, or why there is no outcome.
pub async fn once(
    ports: &Ports,
    pool: &Pool,
    headers: &HeaderMap,
    permit: PermitRef,
    command: Command,
) -> Result<Committed, Error> {
    let key = Key::of(ports, pool, headers)?;
    let committed = submit(&ports.proposals, key.request, permit, command, timeout_ms(headers)?).await?;
    key.settle(&committed);
    accepted(committed)
}

/// The key of a write.
struct Key {
    /// It.
    request: RequestId,
    /// Whose it is, if it is not the caller's own.
    loan: Option<Loan>,
}

impl Key {
    /// The caller's own, or one of the pool.
    fn of(ports: &Ports, pool: &Pool, headers: &HeaderMap) -> Result<Self, Error> {
        if let Some(key) = headers.get(KEY_HEADER) {
            return Ok(Self { request: keys::parse(key.to_str().unwrap_or_default())?, loan: None });
        }
        // Where the times of now are spent, since a clock was fast in them, a client is made of the first one behind them.
        let now_ms = ports.state.borrow().spent.next_unspent((ports.wall_ms)());
        let loan = pool.lend(now_ms);
        Ok(Self { request: loan.key, loan: Some(loan) })
    }

    /// Gives a client back to the pool whose write has its outcome, unless it is one that nobody remembers.
    fn settle(self, committed: &Committed) {
        let is_of_no_use = matches!(committed.outcome, Outcome::Refused(Refusal::KeyTooOld | Refusal::KeyFromFuture));
        if let Some(loan) = self.loan.filter(|_| !is_of_no_use) {
            loan.settle();
        }
    }
}

fn writer(ports: &Ports) -> Writer {
    Writer { state: ports.state.clone(), gate: ports.gate.clone(), proposals: ports.proposals.clone() }
}

/// Sends `command` under the key `request` to the proposer, and waits for its outcome at most `deadline_ms`.
///
/// # Errors
/// Why there is no outcome.
async fn submit(
    proposals: &symbi_control::Proposals,
    request: RequestId,
    permit: PermitRef,
    command: Command,
    deadline_ms: u64,
) -> Result<Committed, Error> {
    let (reply, answer) = oneshot::channel();
    let proposal =
        Proposal { command, request: Some(request), permit: Some(permit), decided_term: None, deadline_ms, reply };
    proposals.send(proposal).await.map_err(|_| ProposeError::Stopping)?;
    // Whoever had it is gone, and may have sent it before.
    Ok(answer.await.unwrap_or(Err(ProposeError::Unknown))?)
}

/// A write that was carried out.
///
/// # Errors
/// The refusal, if its outcome is one.
pub fn accepted(committed: Committed) -> Result<Committed, Error> {
    match committed.outcome {
        Outcome::Refused(refusal) => Err(refusal.into()),
        Outcome::Unknown(coded) => Err(Error::UnknownOutcome(coded.code.to_string())),
        _ => Ok(committed),
    }
}

fn timeout_ms(headers: &HeaderMap) -> Result<u64, Error> {
    let Some(value) = headers.get("symbi-timeout-ms") else { return Ok(MAX_TIMEOUT_MS) };
    let wrong = || Error::BadRequest(format!("Symbi-Timeout-Ms is a number from 1 to {MAX_TIMEOUT_MS}"));
    let timeout: u64 = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    if (1..=MAX_TIMEOUT_MS).contains(&timeout) { Ok(timeout) } else { Err(wrong()) }
}
