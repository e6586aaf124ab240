//! The lanes of messages and of sessions: sessions are set up, and batches of sealed messages carried. A batch is replied to at
//! once, with a word on each message; what comes of them later goes back as a batch of the same session's other direction.
//! Batches go over the one lane, all else over the other, so that it waits behind no message. Frames of one lane keep their
//! order, and of two they do not: an end of a session may arrive before a batch that was sent in it and given up.
//!
//! What is around a sealed message is the sending node's own word, which the connection authenticates: how long its caller
//! still waits, measured there so that clocks need not agree, and the user whom it has authenticated. So is the receiving node's
//! [`Word`] on it; what an agent answers is sealed.

use super::blob::Blob;
use super::{FRAME_BYTES, coded};
use crate::session;
use serde::{Deserialize, Serialize};
pub use symbi_model::ledger::Attestation;
use symbi_model::{DecisionId, MessageId};

/// The longest user name.
pub const USER_BYTES: usize = 256;
/// What a message may take of a frame beside its sealed bytes; and a frame beside its messages.
pub const AROUND_BYTES: usize = 512;

/// What a node sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageFrame {
    /// Sets up a session between two incarnations.
    Hello {
        /// How long the sender still waits.
        remaining_ms: u64,
        /// What it says.
        hello: Box<session::Hello>,
    },
    /// Messages in a session, from the side that began it.
    Batch {
        /// The session.
        session: session::Id,
        /// At most [`session::batch::MESSAGES`], in the order in which they were sealed.
        messages: Vec<Carried>,
        /// The signature over all that was sealed since the last one; none where it is yet to come. A message that no batch
        /// has covered is authenticated, and no more.
        attestation: Option<Box<Attestation>>,
    },
    /// What has come of messages since they were replied to, from the side that did not begin the session.
    Returns {
        /// The session.
        session: session::Id,
        /// Answers, each sealed; at most [`session::batch::MESSAGES`], in the order in which they were sealed.
        answers: Vec<Blob>,
        /// The signature over them; none where there are none.
        attestation: Option<Box<Attestation>>,
        /// How others ended.
        endings: Vec<(MessageId, Word)>,
    },
    /// The sender keeps the session no longer: nothing comes in it any more, and nothing that is sent in it is taken in.
    Close {
        /// The session.
        session: session::Id,
        /// Why.
        why: Parting,
    },
}

/// Why a session is kept no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parting {
    /// Nothing uses it: its sender has ended or has another one, or others were used more.
    Unused,
    /// Its receiver has ended.
    Ended,
    /// What came in it was not attested, or wrongly.
    Unattested,
    /// The node stops.
    Stopping,
}

/// A sealed message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// How long its sender still waits.
    pub remaining_ms: u64,
    /// For whom a gateway speaks; empty for an agent.
    pub user: String,
    /// What [`session::Session::seal`] gave.
    pub sealed: Blob,
}

/// What a node replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageReply {
    /// To `Hello`: the session stands.
    Hello(Box<session::HelloReply>),
    /// To `Hello`: there will be none.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// To `Batch`: a word on each message, in their order.
    Batch(Vec<Word>),
    /// To `Returns` and `Close`: done.
    Done,
    /// There is no such session here (any more). Nothing was taken in.
    NoSession,
    /// The node does not know such a frame: its version is older, or the bytes are none. Nothing was taken in.
    Unsupported,
}

/// What a receiver's node says of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// It is in the receiver's mailbox; the end of a tell.
    Delivered,
    /// It waits, for the mailbox or for its answer; another word follows, or the answer.
    Waiting,
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
    /// It does not open in the session, or the session takes no more: the receiver certainly was not given it. Set up another
    /// session.
    NoSession,
}

coded!(MessageFrame, FRAME_BYTES);
coded!(MessageReply, FRAME_BYTES);
