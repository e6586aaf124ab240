//! Raft's link over the network: a lane of ours for each of its.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_net::CallError;
use symbi_raft::{Lane, Link, LinkError};

/// The link between this node's replica of a group and the others'.
pub struct Network {
    /// The network.
    pub net: symbi_net::Handle,
    /// The group.
    pub group: GroupId,
}

/// Raft's lanes, and what answers each is called: each has a queue and a task of its own.
pub const LANES: [(&str, Lane); 4] = [
    ("the answers to appends", Lane::Append),
    ("the answers to heartbeats", Lane::Heartbeat),
    ("the answers to snapshots", Lane::Snapshot),
    ("the answers to votes", Lane::Vote),
];

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

impl Link for Network {
    fn call(
        &self,
        to: NodeId,
        raft_lane: Lane,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let answer = self.net.call(to, (lane(raft_lane), self.group), request, deadline);
        async move {
            answer.await.map_err(|error| match error {
                CallError::Unreachable(_) | CallError::Full | CallError::Unsupported | CallError::Refused => {
                    LinkError::Unreachable
                }
                CallError::TimedOut => LinkError::TimedOut,
                CallError::Closed => LinkError::Closed,
            })
        }
        .boxed()
    }
}
