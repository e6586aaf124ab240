//! The records of the chain, newest last: the last so many, those from an index on, or those behind one as they come.

use super::{after, read};
use crate::accept::Stopping;
use crate::dto::audit::{self, Line};
use crate::error::Error;
use crate::ports::{AuditLine, Place};
use crate::routes::{App, Caller, Query};
use axum::extract::State as Shared;
use axum::{Extension, Json};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The most records that one answer has.
const RECORDS: usize = 1_000;
/// How many there are where nothing is said.
const LAST: usize = 20;
/// The longest that an answer waits for a record, s.
const WAIT_S: u64 = 10;

/// How often the chain is read again while nothing changes: the records of an entry can be read a moment after its state is shown.
const AGAIN: Duration = Duration::from_secs(1);
/// How long whoever waits for a record leaves the chain alone after each look.
const PAUSE: Duration = Duration::from_millis(50);

/// Which records are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The last so many. Default: 20; at most 1,000.
    last: Option<usize>,
    /// From this log index on, instead of the last.
    from: Option<u64>,
    /// Behind the record of this id, instead of the last: the next 1,000 at most.
    after: Option<String>,
    /// With `after`: for how many seconds, 10 at most, the answer waits while there is none. Default: 0.
    wait: Option<String>,
}

/// `GET /api/v1/audit?last=N`, `?from=INDEX`, or `?after=ID&wait=SECONDS`.
pub async fn tail(
    Shared(app): Shared<App>,
    caller: Caller,
    stopping: Option<Extension<Stopping>>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Vec<Line>>, Error> {
    let state = app.ports.state.borrow().clone();
    caller.may_read_audit(&app.ports.gate, &state)?;
    let records = match (&wanted.after, wanted.last, wanted.from) {
        (Some(id), None, None) => {
            let (place, wait) = (behind(id)?, patience(wanted.wait.as_deref())?);
            coming(&app, place, wait, stopping.map(|Extension(stopping)| stopping)).await?
        }
        (Some(_), ..) => {
            let what = "'after' stands in place of 'last' and 'from': give one of the three";
            return Err(Error::BadRequest(what.to_owned()));
        }
        (None, ..) if wanted.wait.is_some() => {
            let what = "'wait' is for what comes behind a record: name that record too, as in ?after=912.0&wait=10";
            return Err(Error::BadRequest(what.to_owned()));
        }
        (None, _, Some(index)) => match records(&app, Place { index, line: 0 }).await? {
            (_, Some(hole)) => return Err(hole),
            (found, None) => found,
        },
        (None, last, None) => newest(&app, last.unwrap_or(LAST).min(RECORDS)).await?,
    };
    Ok(Json(records))
}

/// The place behind the record of an id.
fn behind(id: &str) -> Result<Place, Error> {
    let wrong = || {
        let what = format!(
            "after={id} is no record: an id is INDEX.POSITION, as records have it; take it from the last one that you have"
        );
        Error::BadRequest(what)
    };
    let (index, position) = id.split_once('.').ok_or_else(wrong)?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (index, position) = number(index).zip(number(position)).ok_or_else(wrong)?;
    let line = u32::try_from(position).ok().and_then(|position| position.checked_add(2)).ok_or_else(wrong)?;
    Ok(Place { index, line })
}

/// For how long an answer may wait.
fn patience(wait: Option<&str>) -> Result<Duration, Error> {
    let Some(wait) = wait else { return Ok(Duration::ZERO) };
    match wait.parse() {
        Ok(seconds) if seconds <= WAIT_S => Ok(Duration::from_secs(seconds)),
        _ => {
            let what = format!(
                "wait={wait} is not possible: an answer waits whole seconds, {WAIT_S} at most; ask again behind its last record"
            );
            Err(Error::BadRequest(what))
        }
    }
}

/// The records from a place on, as soon as there is one; none when none came in time, or this node stops.
async fn coming(app: &App, place: Place, wait: Duration, stopping: Option<Stopping>) -> Result<Vec<Line>, Error> {
    let until = Instant::now() + wait;
    let mut states = app.ports.state.clone();
    loop {
        // Before the records are read: what is applied meanwhile is a change.
        let is_there = states.borrow_and_update().counters.applied_index >= place.index;
        // What is here goes out; whoever asks behind that is told what is not.
        let read = if is_there { records(app, place).await? } else { (Vec::new(), None) };
        match read {
            (found, _) if !found.is_empty() => return Ok(found),
            (_, Some(hole)) => return Err(hole),
            (_, None) if Instant::now() >= until => return Ok(Vec::new()),
            (_, None) => {}
        }
        // Under load there is a change every moment, and each would have every one of many who wait read the disk.
        sleep(PAUSE).await;
        tokio::select! {
            changed = states.changed() => changed.map_err(|_| Error::Unavailable("this node is stopping".to_owned()))?,
            () = sleep_until(until.min(Instant::now() + AGAIN)) => {}
            () = Stopping::wait(stopping.as_ref()) => return Ok(Vec::new()),
        }
    }
}

/// The records from a place on, [`RECORDS`] at most, and what is said of those behind them that are not here yet.
async fn records(app: &App, mut place: Place) -> Result<(Vec<Line>, Option<Error>), Error> {
    let state = app.ports.state.borrow().clone();
    let (mut found, mut hole) = (Vec::new(), None);
    loop {
        let chunk = match read(app, place).await {
            Err(error @ Error::Incomplete { .. }) => {
                hole = Some(error);
                break;
            }
            chunk => chunk?,
        };
        found.extend(chunk.iter().filter_map(record).map(|record| audit::line(record, &state)));
        match chunk.last() {
            Some(last) if found.len() < RECORDS => place = after(last),
            _ => break,
        }
    }
    found.truncate(RECORDS);
    Ok((found, hole))
}

/// The last records, `wanted` at most.
async fn newest(app: &App, wanted: usize) -> Result<Vec<Line>, Error> {
    let state = app.ports.state.borrow().clone();
    // An index has at least one record: so many indices back there are enough.
    let mut place = Place { index: state.counters.applied_index.saturating_sub(wanted as u64), line: 0 };
    let mut kept = VecDeque::new();
    loop {
        let chunk = read(app, place).await?;
        kept.extend(chunk.iter().filter_map(record).map(|record| audit::line(record, &state)));
        kept.drain(..kept.len().saturating_sub(wanted));
        match chunk.last() {
            Some(last) => place = after(last),
            None => return Ok(kept.into()),
        }
    }
}

fn record(line: &AuditLine) -> Option<&symbi_model::record::Record> {
    match line {
        AuditLine::Record(record) => Some(record),
        AuditLine::Batch(_) => None,
    }
}
