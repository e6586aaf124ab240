//! Messages from outside, and how they ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbi_host::{Ending, TellStatus};
use symbi_model::MessageId;

/// A message to an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// `ask` or `tell`.
    pub kind: String,
    /// Any JSON, at most 1 MiB in its compact form.
    pub payload: Value,
    /// For how long an answer is awaited, ms. Default: 30,000; at most an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The agent that speaks; needs the admin scope. Default: the answering node's gateway, for the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// How an `ask` ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// The message's id.
    pub message_id: String,
    /// `answer`, `denied`, `not_delivered`, `deadline_exceeded` or `outcome_unknown`.
    pub ending: String,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The decision that denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Why it was denied or not delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it had been delivered when the deadline passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
}

/// What became of a `tell` as far as it is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The message's id.
    pub message_id: String,
    /// `delivered`, `denied`, `failed` or `pending`.
    pub status: String,
    /// The decision that denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Why it was denied or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The JSON of an ending.
#[must_use]
pub fn asked(message: MessageId, ending: Ending) -> Asked {
    let asked = Asked { message_id: message.to_string(), ..Asked::default() };
    match ending {
        Ending::Answer(payload) => {
            let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
            Asked { ending: "answer".to_owned(), payload: Some(payload), ..asked }
        }
        Ending::Denied { decision, reason } => {
            Asked { ending: "denied".to_owned(), decision: Some(decision.to_string()), reason: Some(reason), ..asked }
        }
        Ending::NotDelivered { reason } => Asked { ending: "not_delivered".to_owned(), reason: Some(reason), ..asked },
        Ending::DeadlineExceeded { delivered } => {
            Asked { ending: "deadline_exceeded".to_owned(), delivered: Some(delivered), ..asked }
        }
        Ending::OutcomeUnknown => Asked { ending: "outcome_unknown".to_owned(), ..asked },
    }
}

/// The JSON of a `tell`'s status.
#[must_use]
pub fn told(message: MessageId, status: TellStatus) -> Told {
    let told = |status: &str, decision: Option<String>, reason: Option<String>| Told {
        message_id: message.to_string(),
        status: status.to_owned(),
        decision,
        reason,
    };
    match status {
        TellStatus::Delivered => told("delivered", None, None),
        TellStatus::Denied { decision, reason } => told("denied", Some(decision.to_string()), Some(reason)),
        TellStatus::NotDelivered { reason } => told("failed", None, Some(reason)),
        TellStatus::Unknown => told("pending", None, None),
    }
}
