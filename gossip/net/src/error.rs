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

/// Why a call has no answer.
///
/// After `Unreachable` and `Refused` the request was certainly not sent; after the others it may have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not connected, or the lane could not be opened, or its queue is full. Not sent: try again after a pause.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The deadline passed first.
    #[error("timed out")]
    TimedOut,
    /// The connection or its substream ended, or the peer dropped the request without an answer.
    #[error("the connection ended before the answer")]
    Closed,
    /// The peer does not offer this lane to us (we are a stranger there, or have its Raft lanes only), or the body is
    /// longer than [`crate::MAX_BODY`]. Not sent.
    #[error("refused: the lane is not offered or the body is too long")]
    Refused,
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
