//! The seam to the network: requests of bytes between replicas, on lanes that do not wait for one another.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::NodeId;

/// What kind of request it is. A full lane never delays another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Entries.
    Append,
    /// A leader's sign of life, and the rounds that confirm that it leads.
    Heartbeat,
    /// Frames of a snapshot.
    Snapshot,
    /// Votes, pre-votes, and the handing over of leadership.
    Vote,
}

/// Why a request has no answer. It may have been carried out all the same, but for [`LinkError::Unreachable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no connection; the request was not sent.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The deadline passed.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The connection was lost, or the peer refused to answer.
    #[error("the connection to the peer was closed")]
    Closed,
}

/// Carries requests to peers.
///
/// [`crate::suite::link`] checks an implementation:
/// - a request is queued, in order with others of its peer and lane, before `call` returns;
/// - dropping the future does not take the request back;
/// - the future ends with the answer or with an error, at the deadline at the latest;
/// - a lane that waits does not delay another.
pub trait Link: Send + Sync + 'static {
    /// Sends `request` to `to` and awaits the answer for at most `deadline`. A request or answer has at most
    /// [`crate::FRAME_MAX`] bytes.
    fn call(
        &self,
        to: NodeId,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>>;
}
