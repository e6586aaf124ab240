//! How a message ends for who sent it: exactly one of five for an `ask`, one of four for a `tell`.

use std::fmt;
use symbi_model::DecisionId;

/// How an `ask` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The receiver answered: its payload, compact JSON.
    Answer(Vec<u8>),
    /// A policy did not allow it, on the sender's side or on the receiver's.
    Denied {
        /// The verdict, for `why decision`.
        decision: DecisionId,
        /// Why, for people.
        reason: String,
    },
    /// The receiver certainly was not given it.
    NotDelivered {
        /// Why, for people.
        reason: String,
    },
    /// The time was up, and the receiver has not answered.
    DeadlineExceeded {
        /// Whether the receiver was given it.
        delivered: bool,
    },
    /// It may or may not have been processed, and no answer will come.
    OutcomeUnknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(_) => formatter.write_str("answered"),
            Self::Denied { decision, reason } => write!(formatter, "denied by {decision}: {reason}"),
            Self::NotDelivered { reason } => write!(formatter, "not delivered: {reason}"),
            Self::DeadlineExceeded { delivered: true } => formatter.write_str("delivered, not answered in time"),
            Self::DeadlineExceeded { delivered: false } => formatter.write_str("not delivered in time"),
            Self::OutcomeUnknown => formatter.write_str("its outcome is unknown"),
        }
    }
}

/// How a `tell` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TellStatus {
    /// It is in the receiver's mailbox.
    Delivered,
    /// A policy did not allow it.
    Denied {
        /// The verdict, for `why decision`.
        decision: DecisionId,
        /// Why, for people.
        reason: String,
    },
    /// It is certainly not in the receiver's mailbox.
    NotDelivered {
        /// Why, for people.
        reason: String,
    },
    /// It may or may not be.
    Unknown,
}

impl From<Ending> for TellStatus {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Answer(_) => Self::Delivered,
            Ending::Denied { decision, reason } => Self::Denied { decision, reason },
            Ending::NotDelivered { reason } => Self::NotDelivered { reason },
            Ending::DeadlineExceeded { delivered: false } => {
                Self::NotDelivered { reason: "its mailbox stayed full until the deadline".to_owned() }
            }
            Ending::DeadlineExceeded { delivered: true } | Ending::OutcomeUnknown => Self::Unknown,
        }
    }
}
