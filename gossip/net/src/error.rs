//! What can go wrong, one answer for each caller's question.

use std::io;
use std::net::SocketAddr;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be bound; the source says why (`AddrInUse`: the port is taken).
    #[error("cannot listen on {addr}")]
    Listen {
        /// What was to be bound.
        addr: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why a call has no answer. [`CallError::is_unsent`] tells whether the request may have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not connected, or the lane could not be opened, or the connection ended before the request left. Try again after a pause.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// As much as may waits for this peer on this lane and group: it is slower than its callers. [`crate::Handle::reserve`]
    /// waits instead.
    #[error("too much waits for this peer already")]
    Full,
    /// The deadline passed first.
    #[error("timed out")]
    TimedOut,
    /// The connection or its substream ended after the request had left, or the peer dropped it without an answer.
    #[error("the connection ended before the answer")]
    Closed,
    /// The peer is there and does not offer this lane to us, or not for this group: its version lacks it, or it takes us for a
    /// stranger (and then [`crate::Handle::connections`] does not name it).
    #[error("the peer does not offer this")]
    Unsupported,
    /// We do not use this lane with a peer that is only vouched for, or the body is longer than [`crate::MAX_BODY`].
    #[error("refused: the peer is no member yet, or the body is too long")]
    Refused,
}

impl CallError {
    /// Whether the request was certainly not carried out.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Full | Self::Unsupported | Self::Refused => true,
            Self::TimedOut | Self::Closed => false,
        }
    }
}

/// Why a call to a stranger's join protocol has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinCallError {
    /// The address did not answer as a node, or the connection ended before the answer.
    #[error("cannot reach it: {0}")]
    Dial(String),
    /// The deadline passed first.
    #[error("timed out")]
    TimedOut,
    /// It was reached, and does not speak the protocol or broke it.
    #[error("it does not speak the join protocol: {0}")]
    Protocol(String),
}

/// The system's error under the transports' wrappers, which all say `Other`.
pub(crate) fn root(error: &io::Error) -> io::Error {
    let (mut kind, mut text) = (error.kind(), error.to_string());
    let mut source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
    while let Some(error) = source {
        text = error.to_string();
        if let Some(error) = error.downcast_ref::<io::Error>() {
            kind = error.kind();
            source = error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static));
        } else {
            source = error.source();
        }
    }
    io::Error::new(kind, text)
}
