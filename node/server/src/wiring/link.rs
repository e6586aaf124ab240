//! Raft's link over the network: a lane of ours for each of its.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::NodeId;
use symbi_net::CallError;
use symbi_raft::{Lane, Link, LinkError};

/// The link between this node's Raft and the others'.
pub struct RaftLink(pub symbi_net::Handle);

/// The network's lane for one of Raft's.
#[must_use]
pub fn lane(lane: Lane) -> symbi_net::Lane {
    match lane {
        Lane::Append => symbi_net::Lane::Append,
        Lane::Heartbeat => symbi_net::Lane::Heartbeat,
        Lane::Snapshot => symbi_net::Lane::Snapshot,
        Lane::Vote => symbi_net::Lane::Vote,
    }
}

impl Link for RaftLink {
    fn call(
        &self,
        to: NodeId,
        raft_lane: Lane,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let answer = self.0.call(to, lane(raft_lane), request, deadline);
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
