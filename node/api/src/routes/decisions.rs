//! Why a decision was made: as the node that judged accounts for it, or as far as the audit chain has it.

use super::audit;
use super::{App, Caller, Path};
use crate::dto::policy::{self, Verdict};
use crate::error::Error;
use crate::ports::{AuditLine, Call, Decided, Place};
use crate::prefix::{self, Candidate};
use axum::Json;
use axum::extract::State as Shared;
use symbi_model::DecisionId;
use symbi_model::entry::{AHEAD_MS, BEHIND_MS};
use symbi_model::record::Record;

/// So many portions of the chain are looked through at most.
const CHUNKS: usize = 64;

/// `GET /api/v1/decisions/{id}`: from the node that judged, else from the audit chain; the id may be a unique beginning of one that
/// a node knows. Who may not see the cluster is told of what was decided on their own acts.
pub async fn show(Shared(app): Shared<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Verdict>, Error> {
    let (state, gate) = (app.ports.state.borrow().clone(), &app.ports.gate);
    let found = find(&app, id).await;
    let is_own =
        |verdict: &Verdict| [format!("User::{:?}", caller.user()), caller.actor()].contains(&verdict.principal);
    if !caller.sees(gate, &state) && !found.as_ref().is_ok_and(is_own) {
        caller.may_read(gate, &state)?;
    }
    found.map(Json)
}

async fn find(app: &App, id: String) -> Result<Verdict, Error> {
    let wanted = id.to_ascii_lowercase();
    let id = match wanted.parse() {
        Ok(id) => id,
        Err(_) => only(app, &wanted).await?,
    };
    let told = app.call(|reply| Call::Decision(id, reply)).await?;
    if let Ok(Some(account)) = &told {
        return Ok(policy::verdict(account));
    }
    if let Some(record) = recorded(app, id).await? {
        return Ok(of_record(id, record));
    }
    told.map_err(Error::Unavailable)?;
    Err(Error::NotFound(format!("nothing is known about decision {id}; its node may have discarded it")))
}

/// The only decision whose id begins so.
async fn only(app: &App, wanted: &str) -> Result<DecisionId, Error> {
    let none = || format!("{wanted:?} is not a decision id (8 hex digits, '-', a UUID) or the beginning of one");
    let (low, high) = DecisionId::beginning(wanted).ok_or_else(|| Error::BadRequest(none()))?;
    let Decided { ids, more, unreachable } = app.call(|reply| Call::Decisions(low, high, reply)).await?;
    let candidates = ids.iter().map(|id| Candidate { thing: *id, name: None, id: id.to_string() });
    let found = prefix::find("decision", wanted, candidates);
    if !unreachable.is_empty() && !matches!(found, Err(Error::Ambiguous { .. })) {
        let nodes = unreachable.join(", ");
        return Err(Error::Unavailable(format!(
            "cannot tell whether only one decision begins with {wanted:?}: {nodes} did not answer"
        )));
    }
    let several = |candidates| Error::Ambiguous { what: "decision", wanted: wanted.to_owned(), candidates, more };
    match found {
        Ok(id) if more => Err(several(vec![id.to_string()])),
        Err(Error::Ambiguous { candidates, .. }) if more => Err(several(candidates)),
        found => found,
    }
}

/// The record of the command that a decision permitted, if there is one: from a little before the time of the id, since clocks
/// differ, to where no leader would have taken the command any more.
async fn recorded(app: &App, id: DecisionId) -> Result<Option<Record>, Error> {
    let time_ms = id.time_ms();
    let permits = |record: &Record| record.act.permit.is_some_and(|permit| permit.decision == id);
    let (index, incomplete) = first_at(app, time_ms.saturating_sub(AHEAD_MS)).await?;
    let mut place = Place { index, line: 0 };
    // It may be in what is not here yet.
    let nowhere = || incomplete.clone().map_or(Ok(None), Err);
    for _ in 0..CHUNKS {
        let chunk = audit::read(app, place).await?;
        for line in &chunk {
            match line {
                AuditLine::Record(record) if permits(record) => return Ok(Some(record.clone())),
                AuditLine::Record(record) if record.time_ms > time_ms.saturating_add(BEHIND_MS) => return nowhere(),
                _ => {}
            }
        }
        match chunk.last() {
            Some(last) => place = audit::after(last),
            None => return nowhere(),
        }
    }
    nowhere()
}

/// The first index whose records are of this time or a later one: the time in the log never falls. Those that are not here yet are
/// passed over, and it is said that they were.
async fn first_at(app: &App, time_ms: u64) -> Result<(u64, Option<Error>), Error> {
    let mut incomplete = None;
    let (mut first, mut end) = (1, app.ports.state.borrow().counters.applied_index + 1);
    while first < end {
        let middle = first.midpoint(end);
        let place = Place { index: middle, line: 0 };
        let lines = match app.call(|reply| Call::Audit(place, 2, reply)).await? {
            Ok(lines) => lines,
            Err(error @ Error::Incomplete { upto, .. }) => {
                (first, incomplete) = ((upto + 1).max(middle + 1), Some(error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let is_earlier = |line: &AuditLine| matches!(line, AuditLine::Record(record) if record.time_ms < time_ms);
        if lines.iter().any(is_earlier) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    Ok((first, incomplete))
}

/// What a record says of the decision that permitted its command.
fn of_record(id: DecisionId, record: Record) -> Verdict {
    let Record { index, position, act, result, .. } = record;
    let policy_set = act.permit.map(|permit| permit.policy_set).unwrap_or_default();
    let (actor, kind, subject) = (act.actor.to_string(), act.kind.to_string(), act.subject.to_string());
    Verdict {
        decision: id.to_string(),
        verdict: "allow".to_owned(),
        at_ms: id.time_ms(),
        policy_set: policy_set.0,
        reason: format!(
            "policy set {policy_set} permitted {actor} to {kind} {subject}; the outcome was {}",
            result.code
        ),
        principal: actor,
        action: kind,
        resource: subject,
        values: act.details.texts().collect(),
        policies: Vec::new(),
        nearest: Vec::new(),
        errors: Vec::new(),
        worked_out: Some(format!(
            "audit record {index}.{position} says what was permitted; which policies permitted it is no longer kept"
        )),
    }
}
