//! How a read gets a state that is fresh enough: linearizable by default, `?at=INDEX`, or `?consistency=local`.

use crate::error::Error;
use crate::ports::{Call, Ports};
use serde::Deserialize;
use std::time::Duration;
use symbi_model::State;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a read waits for its index.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What a reader asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// Answer once this node has applied this log index.
    at: Option<u64>,
    /// `linearizable` (the default) or `local`.
    consistency: Option<String>,
}

impl Freshness {
    /// A read at `at` or of `consistency`, as its caller gave them.
    #[must_use]
    pub fn new(at: Option<u64>, consistency: Option<String>) -> Self {
        Self { at, consistency }
    }

    /// A read of what this node has, however old.
    #[must_use]
    pub fn local() -> Self {
        Self { at: None, consistency: Some("local".to_owned()) }
    }

    /// Whether its caller has said how fresh it is to be.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.at.is_some() || self.consistency.is_some()
    }
}

/// The state at the freshness asked for.
///
/// # Errors
/// [`Error::NoLeader`] when none confirms it within [`READ_TIMEOUT`], [`Error::BadRequest`] for an unknown consistency.
pub async fn state(ports: &Ports, freshness: &Freshness) -> Result<State, Error> {
    let index = match (freshness.at, freshness.consistency.as_deref()) {
        (Some(index), None) => index,
        (None, Some("local")) => return Ok(ports.state.borrow().clone()),
        (None, None | Some("linearizable")) => read_index(ports).await?,
        _ => {
            let what = "consistency is 'linearizable' or 'local', and is not given together with 'at'";
            return Err(Error::BadRequest(what.to_owned()));
        }
    };
    applied(ports, index, READ_TIMEOUT).await
}

/// The state once this node has applied `index`.
///
/// # Errors
/// [`Error::Deadline`] when that takes longer than `patience`.
pub async fn applied(ports: &Ports, index: u64, patience: Duration) -> Result<State, Error> {
    let mut state = ports.state.clone();
    let reached = timeout(patience, state.wait_for(|state| state.counters.applied_index >= index)).await;
    match reached {
        Ok(Ok(state)) => Ok(state.clone()),
        Ok(Err(_)) => Err(Error::Unavailable("this node is stopping".to_owned())),
        Err(_) => Err(Error::Deadline(format!("this node has not applied index {index} within {patience:?}"))),
    }
}

async fn read_index(ports: &Ports) -> Result<u64, Error> {
    let (reply, answer) = oneshot::channel();
    ports
        .calls
        .send(Call::ReadIndex(reply))
        .await
        .map_err(|_| Error::Unavailable("this node is stopping".to_owned()))?;
    let confirmed = timeout(READ_TIMEOUT, answer).await.ok().and_then(Result::ok).flatten();
    confirmed.ok_or_else(|| {
        Error::NoLeader("no leader confirmed this read; ?consistency=local answers with what this node has".to_owned())
    })
}
