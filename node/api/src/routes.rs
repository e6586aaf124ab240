//! The routes: one function each, and what they share.

mod agents;
mod api_tokens;
mod audit;
mod bench;
mod caller;
mod cluster;
mod decisions;
mod leaderless;
mod messages;
mod object;
mod policies;
mod revoked;
mod tokens;
mod traces;
mod upgrades;
mod users;

pub use caller::Caller;
pub use object::Json;
pub use tokens::first as first_token;

use crate::accept::connections::{Full, Place};
use crate::auth::{self, Identity, Listener};
use crate::error::Error;
use crate::keys::Pool;
use crate::ports::{Call, Ports};
use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequestParts, Request, State as Shared};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use http_body_util::LengthLimitError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// The longest body, bytes: a message of 1 MiB and what is around it.
pub const BODY_BYTES: usize = 1024 * 1024 + 64 * 1024;
/// A body that takes longer is refused.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// What every handler shares.
#[derive(Clone)]
pub struct App {
    /// The rest of the node.
    pub ports: Ports,
    /// Keys for writes that come without one.
    pub pool: Pool,
    /// One export or check of the whole chain at a time: each reads all of it.
    pub exports: Arc<Semaphore>,
    /// The names under which this node may be addressed, beside IP addresses and `localhost`.
    pub hosts: Arc<Vec<String>>,
}

impl App {
    /// For whom a request acts.
    fn identify(&self, listener: Listener, request: &Request) -> Result<Identity, Error> {
        auth::identify(&self.ports.state.borrow(), listener, request.headers(), (self.ports.wall_ms)())
    }

    /// Sends a call to the composition root and awaits its answer.
    async fn call<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, Error> {
        let stopping = || Error::Unavailable("this node is stopping".to_owned());
        let (reply, answer) = oneshot::channel();
        self.ports.calls.send(make(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

/// Query parameters, with an error that says what is wrong with them.
pub struct Query<T>(pub T);

impl<T: serde::de::DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match axum::extract::Query::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => Err(Error::BadRequest(error.body_text())),
            Err(other) => Err(Error::BadRequest(other.to_string())),
        }
    }
}

/// A part of the path, with an error that says what is wrong with it.
pub struct Path<T>(pub T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(Error::BadRequest(rejection.body_text())),
        }
    }
}

/// Every route of the interface.
pub fn router(ports: Ports, hosts: Vec<String>) -> Router<()> {
    let exports = Arc::new(Semaphore::new(1));
    let app = App { ports, pool: Pool::default(), exports, hosts: Arc::new(hosts) };
    Router::new()
        .route("/health/live", get(cluster::live))
        .route("/health/ready", get(cluster::ready))
        .route("/.well-known/agent-identity.json", get(cluster::identity))
        .route("/api/v1/health", get(cluster::ready))
        .route("/api/v1/cluster", get(cluster::status))
        .route("/api/v1/nodes", get(cluster::nodes))
        .route("/api/v1/nodes/{name}", delete(cluster::remove))
        .route("/api/v1/agents", get(agents::list).post(agents::create))
        .route("/api/v1/agents/{name}", get(agents::show).delete(agents::remove))
        .route("/api/v1/agents/{name}/status", get(agents::show))
        .route("/api/v1/agents/{name}/stop", post(agents::stop))
        .route("/api/v1/agents/{name}/start", post(agents::specs::start))
        .route("/api/v1/agents/{name}/restart", post(agents::specs::restart))
        .route("/api/v1/agents/{name}/spec", put(agents::specs::update))
        .route("/api/v1/agents/{name}/rollback", post(agents::specs::rollback))
        .route("/api/v1/agents/{name}/logs", get(agents::logs))
        .route("/api/v1/agents/{name}/why", get(policies::why_agent))
        .route("/api/v1/agents/{name}/annotations/{key}", put(agents::annotate))
        .route("/api/v1/agents/{name}/messages", post(messages::send))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/users", get(users::list).post(users::create))
        .route("/api/v1/users/{name}", delete(users::remove))
        .route("/api/v1/api-tokens", get(api_tokens::list).post(api_tokens::create))
        .route("/api/v1/api-tokens/{id}", delete(api_tokens::revoke))
        .route("/api/v1/policies", get(policies::current).post(policies::apply))
        .route("/api/v1/policies/sets", get(policies::list))
        .route("/api/v1/policies/schema", get(policies::schema))
        .route("/api/v1/policies/test", post(policies::test))
        .route("/api/v1/policies/{number}/diff/{other}", get(policies::diff))
        .route("/api/v1/policies/{number}/rollback", post(policies::rollback))
        .route("/api/v1/policies/{number}", get(policies::show))
        .route("/api/v1/decisions/{id}", get(decisions::show))
        .route("/api/v1/bench", post(bench::run))
        .route("/api/v1/bench/agents", post(bench::provision).delete(bench::teardown))
        .route("/api/v1/messages/{id}", get(traces::show))
        .route("/api/v1/messages/{id}/status", get(traces::status))
        .route("/api/v1/upgrade", get(upgrades::status))
        .route("/api/v1/upgrade/finalize", post(upgrades::finalize))
        .route("/api/v1/audit", get(audit::tail))
        .route("/api/v1/audit/bundle", get(audit::export))
        .route("/api/v1/audit/verify", get(audit::verify))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// Refuses what is for others, and bodies that are too long, too slow or broken off. (A chunked body with a length beside it
/// is read by its chunks, and the connection is closed behind it: hyper sees to that.)
async fn guard(
    Shared(app): Shared<App>,
    Extension(listener): Extension<Listener>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let serving = leaderless::admit(&app.ports.view.borrow(), listener, &request)?;
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let _answering = place.as_ref().map(|place| place.answering());
    if listener == Listener::Tcp {
        is_for_here(&request, &app.hosts)?;
        if let Some(place) = place.as_ref().filter(|place| place.is_anonymous())
            && let Ok(identity) = app.identify(listener, &request)
        {
            place.authenticate(&identity.user).map_err(|Full| Error::TooManyConnections)?;
        }
    }
    if !request.body().is_end_stream() {
        // Nobody's body is kept in memory before it is known whose it is.
        app.identify(listener, &request)?;
    }
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, BODY_BYTES)).await;
    let bytes =
        collected.map_err(|_| Error::SlowBody { seconds: BODY_TIMEOUT.as_secs() })?.map_err(|error| unread(&error))?;
    let request = Request::from_parts(parts, bytes.into());
    let mut response = match revoked::ends_with(&request) {
        Some(token) => {
            let Ports { state, wall_ms, .. } = app.ports;
            let is_good = move || auth::is_good(&state.borrow(), &token, wall_ms());
            revoked::cut(is_good, next.run(request)).await?
        }
        None => next.run(request).await,
    };
    leaderless::mark(&serving, &mut response);
    Ok(response)
}

/// Why a body was not read to its end.
fn unread(error: &axum::Error) -> Error {
    match std::error::Error::source(error) {
        Some(source) if source.is::<LengthLimitError>() => Error::TooLarge { limit: BODY_BYTES },
        _ => Error::BadRequest("the body ends before its length, or its chunks cannot be read".to_owned()),
    }
}

/// Refuses a request whose `Host`, or whose target where that names a host too, is not this node: a web page that rebinds
/// its name must not reach this port.
fn is_for_here(request: &Request, names: &[String]) -> Result<(), Error> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.next().is_some() {
        return Err(Error::BadRequest("a request has one Host header".to_owned()));
    }
    let target = request.uri().authority().map_or(host, Authority::as_str);
    match [host, target].into_iter().find(|named| !host_is_served(named, names)) {
        Some(foreign) => Err(Error::Misdirected(foreign.to_owned())),
        None => Ok(()),
    }
}

fn host_is_served(host: &str, names: &[String]) -> bool {
    // An IPv6 address stands in brackets, since it has colons of its own.
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(parts) => parts,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_one = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    port_is_one && host_is_known(name, names)
}

fn host_is_known(name: &str, names: &[String]) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok() || names.iter().any(|known| known == name)
}

async fn unknown(request: Request) -> Error {
    Error::NotFound(format!("there is nothing at {}", request.uri().path()))
}

async fn wrong_method(request: Request) -> Error {
    Error::WrongMethod(format!("{} does not take {}", request.uri().path(), request.method()))
}

#[cfg(test)]
mod tests {
    use super::host_is_served;

    #[test]
    fn only_addresses_localhost_and_known_names_are_served() {
        let names = ["n1.example".to_owned()];
        for host in ["127.0.0.1:8080", "localhost", "[::1]:8080", "n1.example:80", "10.0.0.7"] {
            assert!(host_is_served(host, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost, evil.example",
            "localhost:evil.example",
            "somebody@localhost",
            "[::1].evil.example",
            "[::1",
            "::1",
        ] {
            assert!(!host_is_served(host, &names), "{host}");
        }
    }
}
