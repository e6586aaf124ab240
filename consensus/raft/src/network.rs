//! openraft's way out: its requests, over the [`Link`].
//!
//! Caveats, each of which costs a spinning or deaf cluster if it is forgotten:
//! - openraft's waiting after an error happens inside the stream of requests that it hands over. So a stream of appends
//!   takes its first request before it can fail, and fails as an item.
//! - A request that is not sent is [`Unreachable`], which waits before the next try; a snapshot's error is always that,
//!   because after any other the next try comes at once.
//! - Heartbeats come through `stream_append` too, on a client of their own, and are dropped when they take too long: the
//!   link has queued them by then.

use crate::disk::format::{LogId, Vote};
use crate::link::{Kind, Link, LinkError};
use crate::machine::{Capture, Image};
use crate::options::Options;
use crate::replica::ReplicaId;
use crate::transfers::Transfers;
use crate::types::{self, Snapshot, Types};
use crate::wire::{Append, Body, Reply, Request};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft as op;
use openraft::{EmptyNode, RPCTypes};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

mod sender;

pub use sender::IN_FLIGHT;

/// How many appends to one follower may be on their way.
const PIPELINE: usize = 16;

type RpcResult<T> = Result<T, RPCError<Types>>;
type Appended = Result<Option<types::LogId>, op::StreamAppendError<Types>>;

/// Makes clients. They are handles: connections are the link's.
pub struct Clients<I> {
    /// What all clients share.
    shared: Arc<Shared>,
    /// What their snapshots are of.
    image: PhantomData<fn() -> I>,
}

/// What all clients of a replica share.
struct Shared {
    /// The way out.
    link: Arc<dyn Link>,
    /// The replica's options.
    options: Options,
    /// The snapshots that it sends.
    transfers: Transfers,
}

/// Speaks to one peer.
pub struct Client<I> {
    /// What all clients share.
    shared: Arc<Shared>,
    /// The peer.
    target: ReplicaId,
    /// What its appends are.
    kind: Kind,
    /// What its snapshots are of.
    image: PhantomData<fn() -> I>,
}

impl<I: Image> Clients<I> {
    /// The clients of a replica.
    pub fn new(link: Arc<dyn Link>, options: Options, transfers: Transfers) -> Self {
        Self { shared: Arc::new(Shared { link, options, transfers }), image: PhantomData }
    }

    fn client(&self, target: ReplicaId, kind: Kind) -> Client<I> {
        Client { shared: self.shared.clone(), target, kind, image: PhantomData }
    }
}

impl<I: Image> RaftNetworkFactory<Types> for Clients<I> {
    type Network = Client<I>;

    async fn new_client(&mut self, target: ReplicaId, _: &EmptyNode) -> Client<I> {
        self.client(target, Kind::Append)
    }

    async fn new_heartbeat_client(&mut self, target: ReplicaId, _: &EmptyNode) -> Client<I> {
        self.client(target, Kind::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: ReplicaId, _: &EmptyNode) -> Client<I> {
        self.client(target, Kind::Snapshot)
    }
}

impl<I: Image> Client<I> {
    /// Queues a request now; the future awaits its answer.
    fn call(
        &self,
        kind: Kind,
        body: Body,
        deadline: Duration,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send + 'static {
        let Options { group, number, speaks, .. } = self.shared.options;
        let request = Request { group, from: number, to: self.target.number, speaks, body };
        let answer = self.shared.link.call(self.target.node, group, kind, request.encode(), deadline);
        async move {
            let bytes = answer.await.map_err(Failure::Link)?;
            Reply::decode(&bytes).map_err(|error| Failure::Answer(error.to_string()))
        }
    }

    /// The time that one shipment may take: openraft's for heartbeats, ours for entries, which it does not bound.
    fn append_deadline(&self, option: &RPCOption) -> Duration {
        match self.kind {
            Kind::Heartbeat => option.hard_ttl(),
            _ => self.shared.options.append_deadline,
        }
    }

    /// Queues a shipment now; the future awaits what became of it.
    fn post(
        &self,
        request: op::AppendEntriesRequest<Types>,
        deadline: Duration,
    ) -> impl Future<Output = RpcResult<(Appended, bool)>> + Send + 'static {
        let previous = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(previous);
        let answer = self.call(self.kind, Body::Append(Append::from(request)), deadline);
        let at = self.at(RPCTypes::AppendEntries, deadline);
        async move {
            let response = match answer.await.map_err(|failure| at.rpc(failure))? {
                Reply::Appended => op::AppendEntriesResponse::Success,
                Reply::AppendedTo(upto) => op::AppendEntriesResponse::PartialSuccess(upto.map(types::LogId::from)),
                // Nothing precedes the first entry of a log, so nothing conflicts with it.
                Reply::Conflict if previous.is_some() => op::AppendEntriesResponse::Conflict,
                Reply::HigherVote(vote) => op::AppendEntriesResponse::HigherVote(vote.into()),
                other => return Err(at.unexpected(&other)),
            };
            let appended = response.into_stream_result(previous, last);
            let whole = appended.as_ref().is_ok_and(|upto| *upto == last);
            Ok((appended, whole))
        }
    }

    async fn ballot(&self, body: Body, option: &RPCOption) -> RpcResult<op::VoteResponse<Types>> {
        let deadline = option.soft_ttl();
        let at = self.at(RPCTypes::Vote, deadline);
        match self.call(Kind::Vote, body, deadline).await.map_err(|failure| at.rpc(failure))? {
            Reply::Vote { vote, granted, last } => {
                let vote = types::Vote::from(vote);
                Ok(op::VoteResponse::new(vote, last.map(types::LogId::from), granted))
            }
            other => Err(at.unexpected(&other)),
        }
    }

    fn at(&self, action: RPCTypes, timeout: Duration) -> At {
        At { action, id: self.shared.options.replica(), target: self.target, timeout }
    }
}

impl<I: Image> RaftNetworkV2<Types> for Client<I> {
    type SnapshotData = Capture<I>;

    async fn append_entries(
        &mut self,
        request: op::AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<op::AppendEntriesResponse<Types>> {
        let (appended, _) = self.post(request, self.append_deadline(&option)).await?;
        Ok(appended.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<Appended>>>>
    where
        S: Stream<Item = op::AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        let deadline = self.append_deadline(&option);
        let client = &*self;
        let answers = input.map(move |request| client.post(request, deadline)).buffered(PIPELINE);
        Box::pin(async move { Ok(until_broken(answers).boxed()) })
    }

    async fn vote(&mut self, request: op::VoteRequest<Types>, option: RPCOption) -> RpcResult<op::VoteResponse<Types>> {
        self.ballot(Body::Vote(request.into()), &option).await
    }

    async fn pre_vote(
        &mut self,
        request: op::VoteRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<op::VoteResponse<Types>> {
        self.ballot(Body::PreVote(request.into()), &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: types::Vote,
        snapshot: Snapshot<Capture<I>>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<op::SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.send(vote, snapshot) => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: op::TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<op::TransferLeaderResponse<Types>> {
        let deadline = option.soft_ttl();
        let at = self.at(RPCTypes::TransferLeader, deadline);
        let body = Body::Transfer {
            from: Vote::from(request.from_leader()),
            to: *request.to_node_id(),
            last: request.last_log_id().map(LogId::from),
        };
        match self.call(Kind::Vote, body, deadline).await.map_err(|failure| at.rpc(failure))? {
            Reply::Transferred => Ok(Ok(())),
            Reply::TransferVoteChanged { expected, actual } => {
                Ok(Err(op::TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() }))
            }
            Reply::TransferBehind { expected, actual } => Ok(Err(op::TransferLeaderError::LogNotFlushed {
                expected: expected.map(types::LogId::from),
                actual: actual.map(types::LogId::from),
            })),
            other => Err(at.unexpected(&other)),
        }
    }
}

/// The answers up to the first that says that those after it are void.
fn until_broken<'s>(
    answers: impl Stream<Item = RpcResult<(Appended, bool)>> + Send + 's,
) -> impl Stream<Item = RpcResult<Appended>> + Send + 's {
    futures::stream::unfold(Some(Box::pin(answers)), |answers| async move {
        let mut answers = answers?;
        let (item, whole) = match answers.next().await? {
            Ok((appended, whole)) => (Ok(appended), whole),
            Err(error) => (Err(error), false),
        };
        Some((item, whole.then_some(answers)))
    })
}

/// Why there is no usable reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    /// There is no answer.
    #[error(transparent)]
    Link(LinkError),
    /// It cannot be read, or does not fit the request.
    #[error("the peer's answer cannot be read: {0}")]
    Answer(String),
}

/// What was asked of whom, for openraft's errors.
struct At {
    /// What.
    action: RPCTypes,
    /// By whom.
    id: ReplicaId,
    /// Of whom.
    target: ReplicaId,
    /// For how long.
    timeout: Duration,
}

impl At {
    fn rpc(&self, failure: Failure) -> RPCError<Types> {
        match failure {
            Failure::Link(LinkError::TimedOut) => {
                let Self { action, id, target, timeout } = *self;
                RPCError::Timeout(Timeout { action, id, target, timeout })
            }
            Failure::Link(LinkError::Unreachable | LinkError::Closed) => {
                RPCError::Unreachable(Unreachable::new(&failure))
            }
            Failure::Answer(_) => RPCError::Network(NetworkError::new(&failure)),
        }
    }

    fn unexpected(&self, reply: &Reply) -> RPCError<Types> {
        let what = format!("{} answered {reply:?}", self.target);
        RPCError::Network(NetworkError::from_string(what))
    }
}
