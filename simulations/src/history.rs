//! Messages as histories: what a sender writes down when a message leaves and when it ends, and a receiver when it is
//! given one. A message is known by its payload, which no other message of the run has.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;
use symbi_host::{Ending, TellStatus};
use symbi_model::State;
use symbi_sandbox::rpc::CallError;

/// Which message: of whom, in one of its lives, and the how manieth of that one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// One incarnation of a sender, and the one place in it from which its messages leave one after the other.
    pub stream: String,
    /// From 1.
    pub number: u64,
}

impl Key {
    /// The key in a payload, if it has one.
    #[must_use]
    pub fn of(payload: &Value) -> Option<Self> {
        Some(Self { stream: payload["stream"].as_str()?.to_owned(), number: payload["n"].as_u64()? })
    }

    /// Whether `host` itself has sent it, and none of the host's agents.
    #[must_use]
    pub fn is_of_host(&self, host: &str) -> bool {
        self.stream.strip_prefix(host).is_some_and(|rest| rest.starts_with('.'))
    }

    /// A payload with this key.
    #[must_use]
    pub fn payload(&self) -> Value {
        json!({ "stream": self.stream, "n": self.number })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.stream, self.number)
    }
}

/// What kind of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Wants an answer.
    Ask,
    /// Wants none.
    Tell,
}

/// A message that leaves, before anything of it is known.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which.
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// Who sends it, as its receiver is told.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Whether the policies that the sender's node had applied by now forbid it.
    pub forbidden: bool,
    /// Whether it is known to go to an agent of the sender's own node.
    pub here: bool,
    /// How long its sender waits for an answer, if it wants one.
    pub within: Option<Duration>,
}

/// A message that a program was given.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which.
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// Who sent it, as the program was told.
    pub from: String,
    /// The program's agent.
    pub agent: String,
    /// Which start of it: epoch and incarnation.
    pub life: (u64, u64),
}

/// How a message ended for its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It was answered, with a payload of this digest.
    Answered(String),
    /// A tell that is in the receiver's mailbox.
    Delivered,
    /// A policy did not allow it.
    Denied {
        /// Whether it was none that forbids: the node that judged has not heard of a leader for too long.
        no_leader: bool,
    },
    /// It did not reach its receiver.
    NotDelivered,
    /// The time was up.
    TooLate {
        /// Whether the receiver was given it.
        delivered: bool,
    },
    /// It may have been processed, nobody knows, and no answer will come.
    Unknown,
}

impl How {
    fn denied(reason: &str) -> Self {
        Self::Denied { no_leader: reason.contains("this node has heard no leader") }
    }
}

impl fmt::Display for How {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(digest) => write!(formatter, "answered {digest}"),
            Self::Delivered => formatter.write_str("delivered"),
            Self::Denied { no_leader: false } => formatter.write_str("denied"),
            Self::Denied { no_leader: true } => formatter.write_str("denied for want of a leader"),
            Self::NotDelivered => formatter.write_str("not delivered"),
            Self::TooLate { delivered: true } => formatter.write_str("too late, delivered"),
            Self::TooLate { delivered: false } => formatter.write_str("too late, not delivered"),
            Self::Unknown => formatter.write_str("of unknown outcome"),
        }
    }
}

impl From<&Ending> for How {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Answer(payload) => Self::Answered(digest(&serde_json::from_slice(payload).unwrap_or(Value::Null))),
            Ending::Denied { reason, .. } => Self::denied(reason),
            Ending::NotDelivered { .. } => Self::NotDelivered,
            Ending::DeadlineExceeded { delivered } => Self::TooLate { delivered: *delivered },
            Ending::OutcomeUnknown => Self::Unknown,
        }
    }
}

impl From<&TellStatus> for How {
    fn from(status: &TellStatus) -> Self {
        match status {
            TellStatus::Delivered => Self::Delivered,
            TellStatus::Denied { reason, .. } => Self::denied(reason),
            TellStatus::NotDelivered { .. } => Self::NotDelivered,
            TellStatus::Unknown => Self::Unknown,
        }
    }
}

/// As an agent learns of it, whose node speaks JSON-RPC with it.
impl From<&Result<Value, CallError>> for How {
    fn from(result: &Result<Value, CallError>) -> Self {
        let error = match result {
            Ok(answer) => return Self::Answered(digest(answer)),
            Err(error) => error,
        };
        match error.code {
            CallError::DENIED => Self::denied(&error.message),
            CallError::NOT_DELIVERED | CallError::BUSY => Self::NotDelivered,
            CallError::DEADLINE_EXCEEDED => {
                let delivered = error.data.as_ref().is_none_or(|data| data["delivered"] != json!(false));
                Self::TooLate { delivered }
            }
            _ => Self::Unknown,
        }
    }
}

/// The first half of SHA-256 of a payload, hex.
#[must_use]
pub fn digest(payload: &Value) -> String {
    hex::encode(&Sha256::digest(payload.to_string())[..16])
}

/// What a changed policy set is known by: in its text, the id of the policy that forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// To whom nothing may be sent.
    pub to: String,
    /// Whether it is judged where the receiver runs, and not by the sender's node.
    pub at_receiver: bool,
}

impl Ban {
    /// Its Cedar policy.
    #[must_use]
    pub fn policy(&self) -> String {
        let (word, actions) = match self.at_receiver {
            true => ("receive", r#"[Action::"message::receive"]"#),
            false => ("send", r#"[Action::"message::ask", Action::"message::tell"]"#),
        };
        let to = &self.to;
        format!(
            "\n@id(\"sim-bans-{word}:{to}:\")\nforbid (principal, action in {actions}, resource == Agent::\"{to}\");\n"
        )
    }

    /// The ban in the policies that are current in `state`.
    #[must_use]
    pub fn current(state: &State) -> Option<Self> {
        let set = state.policy_sets.get(&state.counters.policy_set)?;
        let (_, rest) = set.text.split_once("@id(\"sim-bans-")?;
        let mut words = rest.split(':');
        let at_receiver = words.next()? == "receive";
        Some(Self { to: words.next()?.to_owned(), at_receiver })
    }

    /// Whether `state` keeps a sender from sending to `to`.
    #[must_use]
    pub fn forbids(state: &State, to: &str) -> bool {
        Self::current(state).is_some_and(|ban| !ban.at_receiver && ban.to == to)
    }
}

/// Whoever sends in order from one place.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    name: String,
    /// The last number.
    last: u64,
}

impl Stream {
    /// A stream that has sent nothing.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { name, last: 0 }
    }

    /// The next message's key.
    pub fn following(&mut self) -> Key {
        self.last += 1;
        Key { stream: self.name.clone(), number: self.last }
    }
}
