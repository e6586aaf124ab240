//! What a caller is told when a request fails: the only place in which HTTP status codes exist.

use axum::Json;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use symbi_model::{ProposeError, Refusal};

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No token, or one that is not known.
    #[error("{0}")]
    Unauthenticated(String),
    /// The policies do not permit it.
    #[error("denied: {reason}")]
    Denied {
        /// The decision, for `why decision`.
        decision: String,
        /// In words.
        reason: String,
    },
    /// The policies that somebody wants applied are not valid.
    #[error("{0}")]
    Invalid(symbi_policy::Invalid),
    /// The policies that somebody wants applied would not let them apply others.
    #[error("{0}")]
    Lockout(symbi_policy::Lockout),
    /// The current policies do not name actions that a gate brings.
    #[error("the current policies do not name what the gate brings: {}", names(.0))]
    Unnamed(Vec<symbi_policy::new_actions::Unnamed>),
    /// The request cannot be understood.
    #[error("{0}")]
    BadRequest(String),
    /// The route does not take this method.
    #[error("{0}")]
    WrongMethod(String),
    /// The node does as much of this as it can already.
    #[error("{0}")]
    Busy(String),
    /// There are as many connections as this node takes.
    #[error("this node has too many open connections, of this user or of all")]
    TooManyConnections,
    /// The `Host` header names something this node does not serve.
    #[error("this node does not serve the host {0:?}")]
    Misdirected(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What was written for a thing may mean several.
    #[error("more than one {what} begins with {wanted:?}{}", if *more { ", and there are more than are listed" } else { "" })]
    Ambiguous {
        /// What they are.
        what: &'static str,
        /// What was written.
        wanted: String,
        /// Those that it may mean, by name or id.
        candidates: Vec<String>,
        /// Whether it may mean others, too.
        more: bool,
    },
    /// It would leave the cluster without a majority of its voters.
    #[error("{0}")]
    AtRisk(String),
    /// The replicated state refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// It was decided, as a later version of this program has it.
    #[error("the cluster answered {0}, which this node's program is too old to know: ask a node of the newer version")]
    UnknownOutcome(String),
    /// Nothing was decided, or nobody knows.
    #[error("{0}")]
    Undecided(ProposeError),
    /// The body is longer than is taken.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {seconds} s")]
    SlowBody {
        /// The limit.
        seconds: u64,
    },
    /// No leader that a majority follows has answered, or was heard at all: certainly nothing was done.
    #[error("{0}")]
    NoLeader(String),
    /// Another node that is needed did not answer, or this one does not serve just now.
    #[error("{0}")]
    Unavailable(String),
    /// A part of the audit chain is not on this node yet.
    #[error(
        "the audit of log entries {from} to {upto} is not on this node yet: it took a snapshot in their place and is still fetching it"
    )]
    Incomplete {
        /// The first entry whose records are missing.
        from: u64,
        /// The last one behind it.
        upto: u64,
    },
    /// The deadline passed.
    #[error("{0}")]
    Deadline(String),
    /// Something on this node that should not fail did.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The stable code in the body; the command line's exit code follows from it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Denied { .. } => "DENIED",
            Self::Invalid(_) => "POLICY_INVALID",
            Self::Lockout(_) => "LOCKOUT",
            Self::Unnamed(_) => "ACTIONS_UNNAMED",
            Self::BadRequest(_) => "BAD_REQUEST",
            Self::WrongMethod(_) => "WRONG_METHOD",
            Self::Busy(_) => "BUSY",
            Self::TooManyConnections => "TOO_MANY_CONNECTIONS",
            Self::Misdirected(_) => "MISDIRECTED",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Ambiguous { .. } => "AMBIGUOUS",
            Self::AtRisk(_) => "QUORUM_AT_RISK",
            Self::Refused(refusal) => refusal.code().known().unwrap_or("REFUSED"),
            Self::UnknownOutcome(_) => "OUTCOME_UNREADABLE",
            Self::Undecided(error) => match error {
                ProposeError::NoLeader => "NO_LEADER",
                ProposeError::Unknown => "OUTCOME_UNKNOWN",
                ProposeError::ClockSkew { .. } => "CLOCK_SKEW",
                ProposeError::TooLarge { .. } => "TOO_LARGE",
                ProposeError::GateClosed { .. } => "GATE_CLOSED",
                ProposeError::NotLeading => "NOT_LEADING",
                ProposeError::Full => "BUSY",
                ProposeError::Stopping => "STOPPING",
            },
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::SlowBody { .. } => "SLOW_BODY",
            Self::NoLeader(_) => "NO_LEADER",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Incomplete { .. } => "INCOMPLETE",
            Self::Deadline(_) => "DEADLINE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) | Self::Refused(Refusal::CredentialRevoked) => StatusCode::UNAUTHORIZED,
            Self::Denied { .. } => StatusCode::FORBIDDEN,
            Self::BadRequest(_) | Self::Ambiguous { .. } | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::NotFound(_) | Self::Refused(Refusal::NotFound) => StatusCode::NOT_FOUND,
            Self::Refused(Refusal::TooManyClients | Refusal::ClientShare) | Self::Undecided(ProposeError::Full) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Refused(Refusal::Limit { .. }) => StatusCode::BAD_REQUEST,
            Self::Refused(_) | Self::Lockout(_) | Self::Unnamed(_) | Self::AtRisk(_) => StatusCode::CONFLICT,
            Self::TooLarge { .. } | Self::Undecided(ProposeError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Undecided(ProposeError::Unknown) | Self::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Undecided(_)
            | Self::NoLeader(_)
            | Self::Unavailable(_)
            | Self::Incomplete { .. }
            | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) | Self::UnknownOutcome(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Denied { decision, reason } => json!({ "decision": decision, "reason": reason }),
            Self::Ambiguous { candidates, more, .. } => json!({ "candidates": candidates, "more": more }),
            Self::Invalid(invalid) => json!({ "problems": problems(invalid) }),
            Self::Lockout(lockout) => json!({ "reason": lockout.to_string() }),
            Self::Unnamed(unnamed) => {
                let (actions, lines): (Vec<_>, Vec<_>) =
                    unnamed.iter().map(|unnamed| (&unnamed.action, &unnamed.line)).unzip();
                json!({ "actions": actions, "lines": lines })
            }
            Self::Incomplete { from, upto } => json!({ "from": from, "to": upto }),
            _ => json!({}),
        }
    }
}

impl Error {
    fn body(&self) -> Value {
        json!({ "error": self.to_string(), "code": self.code(), "details": self.details() })
    }

    /// The whole answer as it is written to a connection that is closed behind it.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let (status, body) = (self.status(), self.body().to_string());
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn names(unnamed: &[symbi_policy::new_actions::Unnamed]) -> String {
    unnamed.iter().map(|unnamed| unnamed.action.as_str()).collect::<Vec<_>>().join(", ")
}

/// Where what is wrong, and what.
fn problems(invalid: &symbi_policy::Invalid) -> Vec<Value> {
    let problem = |of: &str, error: &symbi_policy::PolicyError| json!({ "in": of, "line": error.line, "column": error.column, "message": error.message });
    let policies = invalid.policies.iter().map(|error| problem("policies", error));
    policies.chain(invalid.entities.iter().map(|error| problem("entities", error))).collect()
}

impl From<symbi_policy::Invalid> for Error {
    fn from(invalid: symbi_policy::Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<symbi_policy::Lockout> for Error {
    fn from(lockout: symbi_policy::Lockout) -> Self {
        Self::Lockout(lockout)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NoLeader => Self::NoLeader("no leader answered in time; nothing was written".to_owned()),
            ProposeError::GateClosed { gate } => Self::Refused(Refusal::GateClosed { gate }),
            other => Self::Undecided(other),
        }
    }
}

impl From<symbi_policy::Denied> for Error {
    fn from(denied: symbi_policy::Denied) -> Self {
        // The policies have denied nothing: this node cannot know them while it hears no leader.
        if denied.leaderless {
            return Self::NoLeader(denied.reason);
        }
        Self::Denied { decision: denied.decision.to_string(), reason: denied.reason }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        if matches!(self, Self::TooManyConnections) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
