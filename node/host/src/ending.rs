//! How a message ends for who sent it. An `ask` ends as one node tells another; of that a `tell` has only some.

pub use symbi_proto::wire::Ending;

use symbi_model::DecisionId;

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
