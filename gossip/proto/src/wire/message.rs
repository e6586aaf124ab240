//! The message lane: sessions are set up, sealed messages carried, one frame and one reply at a time.
//!
//! A reply that says how a message ended without opening anything comes from the receiving node, whom the connection
//! authenticates; what an agent answers is sealed in its session.

use super::{FRAME_BYTES, blob, coded};
use crate::session;
use serde::{Deserialize, Serialize};
use symbi_model::{DecisionId, Epoch, Hash, PolicyNumber};

/// What the sender's node sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageFrame {
    /// Sets up a session between two incarnations.
    Hello(Box<session::Hello>),
    /// A message in a session.
    Sealed {
        /// The session.
        session: session::Id,
        /// What [`session::Session::seal`] gave.
        #[serde(with = "blob")]
        bytes: Vec<u8>,
        /// The signature of the batch of messages that this one ends; none where it ends none. A message that no batch has
        /// covered is authenticated, and no more.
        attestation: Option<Box<Attestation>>,
    },
    /// The sender has forgotten the session's keys.
    Close {
        /// The session.
        session: session::Id,
    },
}

/// What the receiver's node replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageReply {
    /// To `Hello`: the session stands.
    Hello(Box<session::HelloReply>),
    /// To an ask: the sealed answer.
    Answer(#[serde(with = "blob")] Vec<u8>),
    /// To a tell: it is in the receiver's mailbox. To `Close`: done.
    Delivered,
    /// A policy did not allow it.
    Denied {
        /// The verdict of the receiving node.
        decision: DecisionId,
        /// Why, for people.
        reason: String,
    },
    /// The receiver certainly was not given it.
    NotDelivered {
        /// Why, for people.
        reason: String,
    },
    /// The time was up.
    DeadlineExceeded {
        /// Whether the receiver was given it.
        delivered: bool,
    },
    /// It may or may not have been processed.
    OutcomeUnknown,
    /// There is no such session here (any more), or the message does not open in it: the receiver certainly was not given
    /// it. Set up another one.
    NoSession,
}

/// One Ed25519 signature of an incarnation over a batch of messages of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The sender's placement epoch.
    pub epoch: Epoch,
    /// Which batch of the session this is, from 0.
    pub batch: u64,
    /// The sequence of its first message.
    pub first: u64,
    /// The sequence of its last message.
    pub last: u64,
    /// The RFC 6962 root over the messages' headers, commitments included.
    pub root: Hash,
    /// The hash of the batch before it; zeros for the first.
    pub previous: Hash,
    /// The policy set by which the sender's node judged.
    pub policy_set: PolicyNumber,
    /// The sender's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// Ed25519; 64 bytes.
    pub signature: Vec<u8>,
}

coded!(MessageFrame, FRAME_BYTES);
coded!(MessageReply, FRAME_BYTES);
