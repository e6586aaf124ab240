//! The seam to the network: requests of bytes between replicas. Those of one group and kind are in order, and wait for no others.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};

/// What kind of request it is. A full queue of one never delays another.
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
    /// What entries left behind, for who took a snapshot in their place.
    Lines,
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
/// - a request is queued, in order with others of its peer, group and kind, before `call` returns;
/// - dropping the future does not take the request back, but for frames of a snapshot, where it may;
/// - the future ends with the answer or with an error, at the deadline at the latest;
/// - requests of one group and kind that wait do not delay others.
pub trait Link: Send + Sync + 'static {
    /// Sends a group's `request` to its replica at `to` and awaits the answer for at most `deadline`. A request or answer has at most
    /// [`crate::FRAME_MAX`] bytes.
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>>;
}
