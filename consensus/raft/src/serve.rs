//! The way in: a peer's requests, handed to openraft.

use crate::applier::Raft;
use crate::entry::Data;
use crate::error::{Error, ServeError};
use crate::lines::Lines;
use crate::link::Kind;
use crate::machine::{Image, Machine, frames};
use crate::options::Options;
use crate::position::Position;
use crate::pulse::Pulse;
use crate::receive::Receiver;
use crate::replica::ReplicaId;
use crate::wire::{Append, Ballot, Body, Reply, Request, TransferReply};
use crate::work::Work;
use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;
use openraft::raft as op;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use tokio::sync::watch;

/// Answers a peer's requests.
pub struct Server<M: Machine> {
    /// The group.
    group: GroupId,
    /// The replica, by its id.
    me: ReplicaId,
    /// The replica.
    raft: Raft<M>,
    /// Takes snapshots in.
    receiver: Receiver<M>,
    /// The state, in which a gate is open.
    image: watch::Receiver<M::Image>,
    /// What entries left behind.
    lines: Arc<Lines>,
    /// Where it is read.
    work: Work,
    /// How regularly the leader is heard.
    pulse: Pulse,
}

/// Reads a request.
pub fn decode(request: &[u8]) -> Result<Request, ServeError> {
    Request::decode(request).map_err(|error| malformed(&error.to_string()))
}

impl<M: Machine> Server<M> {
    /// Answers for this replica.
    pub fn new(
        options: &Options,
        raft: Raft<M>,
        receiver: Receiver<M>,
        image: watch::Receiver<M::Image>,
        lines: Arc<Lines>,
    ) -> Self {
        Self {
            group: options.group,
            me: options.replica(),
            raft,
            receiver,
            image,
            lines,
            work: options.work,
            pulse: Pulse::new(),
        }
    }

    /// The longest that it did not hear its leader, of late.
    pub fn silence(&self) -> Option<Duration> {
        self.pulse.longest()
    }

    /// Answers one request.
    pub async fn serve(&self, from: NodeId, kind: Kind, request: Request) -> Result<Bytes, ServeError> {
        if request.group != self.group {
            return Err(ServeError::Group);
        }
        if request.to != self.me.number {
            return Err(ServeError::Replica);
        }
        // It could be elected, and could not apply what it has.
        if request.speaks < self.image.borrow().gate() {
            return Err(ServeError::Outdated);
        }
        if !belongs(&request.body, kind) {
            return Err(malformed("it came as another kind of request than it is"));
        }
        let peer = ReplicaId { node: from, number: request.from };
        if speaker(&request.body).is_some_and(|speaker| speaker != peer) {
            return Err(ServeError::Impostor);
        }
        Ok(self.answer(from, request.body).await?.encode())
    }

    async fn answer(&self, from: NodeId, body: Body) -> Result<Reply, ServeError> {
        match body {
            Body::Append(append) => self.append(append).await,
            Body::Vote(ballot) => self.vote(ballot).await,
            Body::PreVote(ballot) => self.pre_vote(ballot).await,
            Body::Transfer { from, to, last } => {
                let request = op::TransferLeaderRequest::new(from.into(), to, last.map(Into::into));
                let response = self.raft.handle_transfer_leader(request).await.map_err(|_| ServeError::Stopped)?;
                Ok(TransferReply::from(response).0)
            }
            Body::Begin(begin) => self.receiver.begin(from, begin).await,
            Body::Frame { transfer, sequence, frame } => {
                Ok(self.receiver.frame(from, transfer, sequence, frame.0).await)
            }
            Body::End { transfer, frames } => self.receiver.end(&self.raft, from, transfer, frames).await,
            Body::Lines { from, index, line } => Ok(self.lines(from, Position { index, line }).await),
        }
    }

    /// The last lines before a place, off the threads on which heartbeats are answered.
    async fn lines(&self, from: u64, before: Position) -> Reply {
        let applied = self.raft.metrics().borrow_watched().last_applied.map_or(0, |id| id.index);
        if before.index > applied + 1 {
            return Reply::NoLines;
        }
        let lines = self.lines.clone();
        match self.work.run(move || lines.before(from, before).map(|found| frames::pack(&found))).await {
            Ok(Ok(frame)) => Reply::Lines(Data(frame.into())),
            Ok(Err(Error::Incomplete { .. })) => Reply::NoLines,
            Ok(Err(error)) => {
                tracing::warn!(%error, "lines that another replica asks for cannot be read");
                Reply::NoLines
            }
            // The runtime is ending.
            Err(_) => Reply::NoLines,
        }
    }

    async fn append(&self, append: Append) -> Result<Reply, ServeError> {
        self.pulse.beat(append.vote.term);
        let first = append.previous.map_or(0, |id| id.index + 1);
        // A hole would stop the replica at its log.
        if append.entries.iter().zip(first..).any(|(entry, index)| entry.index != index) {
            return Err(malformed("its entries do not follow each other"));
        }
        let response = self.raft.append_entries(append.into()).await;
        response.map(Reply::from).map_err(|_| ServeError::Stopped)
    }

    async fn vote(&self, ballot: Ballot) -> Result<Reply, ServeError> {
        self.raft.vote(ballot.into()).await.map(Reply::from).map_err(|_| ServeError::Stopped)
    }

    async fn pre_vote(&self, ballot: Ballot) -> Result<Reply, ServeError> {
        self.raft.pre_vote(ballot.into()).await.map(Reply::from).map_err(|_| ServeError::Stopped)
    }
}

/// Whether a request of this kind comes over this lane.
fn belongs(body: &Body, kind: Kind) -> bool {
    match body {
        Body::Append(_) => matches!(kind, Kind::Append | Kind::Heartbeat),
        Body::Vote(_) | Body::PreVote(_) | Body::Transfer { .. } => kind == Kind::Vote,
        Body::Begin(_) | Body::Frame { .. } | Body::End { .. } => kind == Kind::Snapshot,
        Body::Lines { .. } => kind == Kind::Lines,
    }
}

/// The replica in whose name a request speaks.
fn speaker(body: &Body) -> Option<ReplicaId> {
    match body {
        Body::Append(append) => Some(append.vote.replica),
        Body::Vote(ballot) | Body::PreVote(ballot) => Some(ballot.vote.replica),
        Body::Transfer { from, .. } => Some(from.replica),
        Body::Begin(begin) => Some(begin.vote.replica),
        Body::Frame { .. } | Body::End { .. } | Body::Lines { .. } => None,
    }
}

fn malformed(reason: &str) -> ServeError {
    ServeError::Malformed { reason: reason.to_owned() }
}
