//! Raft's link over the network: a lane of ours for each kind of request.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_net::CallError;
use symbi_raft::link::Kind;
use symbi_raft::{Link, LinkError};

/// The link between this node's Raft and the others'.
pub struct RaftLink(pub symbi_net::Handle);

/// The network's lane for a kind of Raft's requests.
#[must_use]
pub fn lane(kind: Kind) -> symbi_net::Lane {
    match kind {
        Kind::Append => symbi_net::Lane::Append,
        Kind::Heartbeat => symbi_net::Lane::Heartbeat,
        Kind::Snapshot => symbi_net::Lane::Snapshot,
        Kind::Vote => symbi_net::Lane::Vote,
    }
}

impl Link for RaftLink {
    fn call(
        &self,
        to: NodeId,
        _: GroupId,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let answer = self.0.call(to, lane(kind), request, deadline);
        async move {
            answer.await.map_err(|error| match error {
                CallError::Unreachable(_) | CallError::Refused => LinkError::Unreachable,
                CallError::TimedOut => LinkError::TimedOut,
                CallError::Closed => LinkError::Closed,
            })
        }
        .boxed()
    }
}
