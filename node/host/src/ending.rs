//! How a message ends for who sent it. An `ask` ends as one node tells another; of that a `tell` has only some.

pub use symbi_proto::wire::Ending;

use symbi_model::DecisionId;
use symbi_model::ledger::Fate;
use symbi_proto::wire::Word;

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

/// A short way to say it.
pub(crate) fn not_delivered(reason: impl Into<String>) -> Ending {
    Ending::NotDelivered { reason: reason.into() }
}

/// An ending as the ledger has it.
pub(crate) fn fate(ending: &Ending) -> Fate {
    match ending {
        Ending::Answer(_) => Fate::Taken,
        Ending::Denied { .. } => Fate::Denied,
        Ending::NotDelivered { .. } => Fate::Refused,
        Ending::DeadlineExceeded { .. } => Fate::Expired,
        Ending::OutcomeUnknown => Fate::Unknown,
    }
}

/// The ending that a word of the receiver's node tells of.
pub(crate) fn told_by(word: Word) -> Ending {
    match word {
        Word::Delivered => Ending::Answer(Vec::new()),
        Word::Denied { decision, reason } => Ending::Denied { decision, reason },
        Word::NotDelivered { reason } => Ending::NotDelivered { reason },
        Word::DeadlineExceeded { delivered } => Ending::DeadlineExceeded { delivered },
        Word::NoSession => not_delivered("the receiver's node does not keep the session"),
        Word::Waiting | Word::OutcomeUnknown => Ending::OutcomeUnknown,
    }
}

/// The word that tells of an ending, without anything of an agent's.
pub(crate) fn word(ending: Ending) -> Word {
    match ending {
        Ending::Answer(_) => Word::Delivered,
        Ending::OutcomeUnknown => Word::OutcomeUnknown,
        Ending::Denied { decision, reason } => Word::Denied { decision, reason },
        Ending::NotDelivered { reason } => Word::NotDelivered { reason },
        Ending::DeadlineExceeded { delivered } => Word::DeadlineExceeded { delivered },
    }
}
