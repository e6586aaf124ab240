//! JSON-RPC 2.0 with an agent, one object a line. `PROTOCOL.md` is the full account, for authors of agents.
//!
//! [`connect`] takes an instance's lines and gives a [`Client`], which calls the agent, and a stream of [`Inbound`],
//! what the agent wants of us. How many messages are in flight at once is the caller's to bound; how many asks the
//! agent has open is bounded here, by [`ASKS`]. Time is tokio's; nothing is random.

pub mod frame;
mod pump;

use crate::{LineError, Stopper, lines};
use bytes::Bytes;
use frame::{Initialize, Params};
use pump::{Pending, Pump, Ticket};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long an agent may take to answer `initialize`.
pub const INITIALIZE: Duration = Duration::from_secs(10);
/// Asks an agent may have open at once; one more is refused with [`CallError::BUSY`].
pub const ASKS: usize = 256;
/// What `timeout_ms` of an agent's `ask` is if it is not given.
pub const ASK_TIMEOUT_MS: u64 = 30_000;

/// Whether a message wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The result is the answer's payload.
    Ask,
    /// The result only says that it was processed.
    Tell,
}

/// A message for the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Whether its sender waits for an answer.
    pub kind: Kind,
    /// Who sent it: an agent's name, or how its host calls whoever it was.
    pub from: String,
    /// When an answer is of no use any more, Unix time in milliseconds; 0 for never.
    pub deadline_ms: u64,
    /// What it says. The last member of the line, so that a shell can cut it out.
    pub payload: Value,
}

/// How grave a line of an agent's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever debugs the agent.
    Debug,
    /// What happens.
    Info,
    /// What should be looked at.
    Warn,
    /// What failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// JSON-RPC's error object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct CallError {
    /// Which error it is.
    pub code: i64,
    /// What happened, for people.
    pub message: String,
    /// What belongs to it, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl CallError {
    /// The line is no request of this protocol, say a notification sent as a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The method's parameters are wrong.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The other side failed.
    pub const INTERNAL: i64 = -32603;
    /// Policy refused the `ask`.
    pub const DENIED: i64 = -32001;
    /// The `ask` did not reach its receiver.
    pub const NOT_DELIVERED: i64 = -32002;
    /// No answer came in time.
    pub const DEADLINE_EXCEEDED: i64 = -32003;
    /// Nobody knows whether the receiver acted on the `ask`.
    pub const OUTCOME_UNKNOWN: i64 = -32004;
    /// The agent has too many asks open.
    pub const BUSY: i64 = -32005;

    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Refused by the decision of that id.
    pub fn denied(decision: impl fmt::Display, reason: &str) -> Self {
        let data = serde_json::json!({ "ending": "denied", "decision": decision.to_string(), "reason": reason });
        Self { code: Self::DENIED, message: format!("denied: {reason}"), data: Some(data) }
    }

    /// It did not reach its receiver, so nothing happened.
    pub fn not_delivered(reason: &str) -> Self {
        let data = serde_json::json!({ "ending": "not_delivered", "reason": reason });
        Self { code: Self::NOT_DELIVERED, message: format!("not delivered: {reason}"), data: Some(data) }
    }

    /// No answer in time; `delivered` tells whether the receiver had it.
    pub fn deadline_exceeded(delivered: bool) -> Self {
        let data = serde_json::json!({ "ending": "deadline_exceeded", "delivered": delivered });
        Self { code: Self::DEADLINE_EXCEEDED, message: "no answer in time".to_owned(), data: Some(data) }
    }

    /// The receiver may have acted on the message of that id, or not.
    pub fn outcome_unknown(message_id: impl fmt::Display) -> Self {
        let data = serde_json::json!({ "ending": "outcome_unknown", "message_id": message_id.to_string() });
        let message = "the receiver may have acted on it, or not".to_owned();
        Self { code: Self::OUTCOME_UNKNOWN, message, data: Some(data) }
    }
}

/// Why a call of the agent has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The agent answered with an error.
    #[error("the agent answered with an error: {0}")]
    Refused(CallError),
    /// The agent's output ended first, or it broke the protocol. It may have acted on the call.
    #[error("the agent ended: {reason}")]
    Ended {
        /// Why, for people.
        reason: String,
    },
    /// No answer to `initialize` in time.
    #[error("no answer to initialize within {} s", INITIALIZE.as_secs())]
    NotInitialized,
    /// Whoever called thought better of it before it was written, and it was not sent.
    #[error("the call was withheld")]
    Withheld,
    /// The call is longer than a line may be, and was not sent.
    #[error("a line of {length} bytes is longer than {} bytes", lines::LINE)]
    TooLong {
        /// How long it would be.
        length: usize,
    },
}

/// What comes from the agent.
#[derive(Debug)]
pub enum Inbound {
    /// It asks somebody. A reply that is dropped is an internal error to the agent.
    Ask {
        /// Whom.
        to: String,
        /// What.
        payload: Value,
        /// How long it would wait.
        timeout_ms: u64,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Value, CallError>>,
    },
    /// It tells somebody.
    Tell {
        /// Whom.
        to: String,
        /// What.
        payload: Value,
    },
    /// A line for its log. Notifications that make no sense come as such a line too.
    Log {
        /// How grave.
        level: Level,
        /// The line.
        text: String,
    },
    /// It broke the protocol, and is being ended for that reason. Nothing comes after it.
    Broken(String),
}

/// Calls the agent. Clones speak with the same one.
#[derive(Debug, Clone)]
pub struct Client {
    /// The agent's lines.
    stdin: mpsc::Sender<Bytes>,
    /// Calls that wait for their answers.
    pending: Arc<Pending>,
}

/// Speaks with an agent over its instance's lines, until they end or the receiver returned is dropped.
///
/// An agent that breaks the protocol is ended through `stopper`, which is also held until then.
pub fn connect(
    stdin: mpsc::Sender<Bytes>,
    stdout: mpsc::Receiver<Result<Bytes, LineError>>,
    stopper: Stopper,
) -> (Client, mpsc::Receiver<Inbound>) {
    let (inbound, received) = mpsc::channel(crate::driver::STDOUT_LINES);
    let pending = Arc::new(Pending::new());
    let pump = Pump::new(stdin.clone(), stdout, inbound, stopper, Arc::clone(&pending));
    // It owns nothing that outlives the instance, and ends with it.
    tokio::spawn(pump.run());
    (Client { stdin, pending }, received)
}

impl Client {
    /// The first call: tells the agent who it is. Fails after [`INITIALIZE`].
    pub async fn initialize(&self, name: &str, epoch: u64, incarnation: u64) -> Result<(), Error> {
        let params = Initialize { name: name.to_owned(), epoch, incarnation };
        match tokio::time::timeout(INITIALIZE, self.call(params, || true)).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(Error::NotInitialized),
        }
    }

    /// Delivers a message, and returns the answer's payload. Waits as long as the agent takes: who gives up drops the
    /// future, and an answer that comes later is ignored.
    pub async fn message(&self, message: Message) -> Result<Value, Error> {
        self.call(message, || true).await
    }

    /// Writes a message to the agent if it `may` be delivered, which is asked once, in the moment in which there is room for
    /// its line: until then the agent was not given it, and from then on it was. Messages reach the agent in the order in
    /// which these calls return.
    pub async fn write_if(&self, message: Message, may: impl FnOnce() -> bool) -> Result<Written, Error> {
        self.write(message, may).await
    }

    async fn call(&self, params: impl Params, may: impl FnOnce() -> bool) -> Result<Value, Error> {
        self.write(params, may).await?.answer().await
    }

    async fn write(&self, params: impl Params, may: impl FnOnce() -> bool) -> Result<Written, Error> {
        let ticket = self.pending.register()?;
        let line = frame::request(ticket.id(), &params);
        if line.len() > lines::LINE {
            return Err(Error::TooLong { length: line.len() });
        }
        let room = tokio::select! {
            biased;
            () = self.pending.closed() => return Err(self.pending.ended_or("it ended")),
            room = self.stdin.reserve() => room.map_err(|_| self.pending.ended_or("it reads no more"))?,
        };
        if !may() {
            return Err(Error::Withheld);
        }
        room.send(line);
        Ok(Written { ticket })
    }
}

/// A message that was written to the agent. Dropping it forgets the call.
#[derive(Debug)]
pub struct Written {
    /// The call.
    ticket: Ticket,
}

impl Written {
    /// Waits for the answer's payload, as long as the agent takes.
    pub async fn answer(self) -> Result<Value, Error> {
        self.ticket.answer().await
    }
}
