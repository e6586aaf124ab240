//! What a node answers while it hears no leader: it may be cut off, and then it knows neither the policies nor the tokens that are
//! good now.
//!
//! - Health and the public keys: to anybody.
//! - A closed list of what an operator needs to find out what is wrong: as this node has it, to who may read its disk anyway,
//!   which is its own user or root on the unix socket. The header [`AGE_HEADER`] says how long ago a leader was heard.
//! - Everything else: nothing, and no token opens anything.

use crate::auth::Listener;
use crate::error::Error;
use crate::ports::{Ports, View};
use crate::read::{self, Freshness};
use axum::extract::{MatchedPath, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use std::time::Duration;
use symbi_model::State;
use symbi_policy::gate::LEADERLESS_AFTER;
use tokio::time::timeout;

/// How long ago a leader was heard, ms: in answers of a node that hears none.
pub const AGE_HEADER: HeaderName = HeaderName::from_static("symbi-leader-heard-ms");

/// How long a read of the list waits for a leader that is to confirm it: an election.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// Needs neither token nor leader.
const PUBLIC: [&str; 4] = ["/health/live", "/health/ready", "/api/v1/health", "/.well-known/agent-identity.json"];

/// Read on the unix socket without a leader.
const CLOSED_LIST: [&str; 7] = [
    "/api/v1/cluster",
    "/api/v1/nodes",
    "/api/v1/agents/{name}/logs",
    "/api/v1/agents/{name}/why",
    "/api/v1/decisions/{id}",
    "/api/v1/audit",
    "/api/v1/audit/verify",
];

/// How a request is answered.
pub enum Serving {
    /// As ever.
    Led,
    /// As this node has it; a leader was heard so long ago, if ever.
    Local(Option<Duration>),
}

/// How a request is answered, by whether a leader is heard.
///
/// # Errors
/// [`Error::NoLeader`] for what needs one.
pub fn admit(view: &View, listener: Listener, request: &Request) -> Result<Serving, Error> {
    if hears_leader(view) {
        return Ok(Serving::Led);
    }
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_read = request.method() == Method::GET;
    let is_in = |list: &[&str]| path.is_none_or(|path| is_read && list.contains(&path));
    // Without a token it is refused for that: what it may not ask, it cannot miss.
    let shows_nothing = listener == Listener::Tcp && !request.headers().contains_key(AUTHORIZATION);
    if is_in(&PUBLIC) || shows_nothing {
        return Ok(Serving::Led);
    }
    if listener == Listener::Unix && is_in(&CLOSED_LIST) {
        return Ok(Serving::Local(view.leader_heard));
    }
    Err(unheard(view))
}

/// The state for a read of the closed list: on the unix socket that which this node has, where no leader confirms it.
///
/// # Errors
/// As [`read::state`].
pub async fn state(ports: &Ports, freshness: &Freshness, listener: Listener) -> Result<State, Error> {
    let local = || ports.state.borrow().clone();
    if listener == Listener::Tcp || freshness.is_given() {
        return read::state(ports, freshness).await;
    }
    if !hears_leader(&ports.view.borrow()) {
        return Ok(local());
    }
    match timeout(CONFIRMED_WITHIN, read::state(ports, freshness)).await {
        Ok(Err(Error::NoLeader(_))) | Err(_) => Ok(local()),
        Ok(answer) => answer,
    }
}

/// Says in an answer how old it may be.
pub fn mark(serving: &Serving, response: &mut Response) {
    if let Serving::Local(Some(heard)) = serving {
        let ms = u64::try_from(heard.as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert(AGE_HEADER, HeaderValue::from(ms));
    }
}

fn hears_leader(view: &View) -> bool {
    view.leader_heard.is_some_and(|age| age < LEADERLESS_AFTER)
}

fn unheard(view: &View) -> Error {
    Error::NoLeader(match view.leader_heard {
        Some(age) => format!("this node has heard no leader for {} s", age.as_secs()),
        None => "this node has heard no leader since it started".to_owned(),
    })
}
