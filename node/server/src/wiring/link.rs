//! Raft's link over the network: a lane of ours for each kind of request, a queue of it for each group.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_net::CallError;
use symbi_raft::link::Kind;
use symbi_raft::{Link, LinkError};

/// The link between this node's replicas and the others', of whatever groups.
pub struct RaftLink {
    /// The network.
    pub net: symbi_net::Handle,
}

/// The kinds of Raft's requests, and what answers each is called: each has a queue and a task of its own.
pub const KINDS: [(&str, Kind); 5] = [
    ("the answers to appends", Kind::Append),
    ("the answers to heartbeats", Kind::Heartbeat),
    ("the answers to snapshots", Kind::Snapshot),
    ("the answers to votes", Kind::Vote),
    ("the answers to requests for lines", Kind::Lines),
];

/// The network's lane for a kind of Raft's requests.
#[must_use]
pub fn lane(kind: Kind) -> symbi_net::Lane {
    match kind {
        Kind::Append => symbi_net::Lane::Append,
        Kind::Heartbeat => symbi_net::Lane::Heartbeat,
        Kind::Snapshot => symbi_net::Lane::Snapshot,
        Kind::Vote => symbi_net::Lane::Vote,
        Kind::Lines => symbi_net::Lane::Lines,
    }
}

impl Link for RaftLink {
    fn call(
        &self,
        to: NodeId,
        group: GroupId,
        kind: Kind,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        let answer = self.net.call(to, (lane(kind), group), request, deadline);
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

#[cfg(test)]
mod tests;
