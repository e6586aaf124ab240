//! The face of a replica: what the rest of the node asks of it.

use crate::audit::{self, AuditRow};
use crate::change::{self, MembershipChange};
use crate::confirm::{self, Confirmed};
use crate::disk::format::nodes;
use crate::disk::{Disk, Keys};
use crate::error::{ChangeError, ConfirmError, Error, ServeError, WriteError};
use crate::link::{Kind, Link};
use crate::log::{Log, SHIPMENT_BYTES};
use crate::machine::{Machine, Progress};
use crate::network::Clients;
use crate::options::Options;
use crate::position::Position;
use crate::receive::Receiver;
use crate::replica::Raft;
use crate::serve::Server;
use crate::status::{self, Status};
use crate::types::{Data, Id};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::errors::{ClientWriteError, RaftError};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{NodeId, Outcome, State};
use symbi_store::Engine;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a shutdown waits for the engine to be let go.
const RELEASE: Duration = Duration::from_secs(5);

/// What became of a proposed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchApplied {
    /// The index of its entry.
    pub index: u64,
    /// The term of its entry.
    pub term: u64,
    /// What became of each of its commands, in order.
    pub outcomes: Vec<Outcome>,
}

/// A replica.
#[derive(Clone)]
pub struct Handle {
    /// The replica.
    shared: Arc<Shared>,
}

/// What all handles of a replica share.
struct Shared {
    /// How it was set up.
    options: Options,
    /// The replica.
    raft: Raft,
    /// Answers peers.
    server: Server,
    /// Confirms that this node leads.
    confirm: confirm::Handle,
    /// The state after each chunk of entries.
    state: watch::Receiver<State>,
    /// How far the state machine is.
    progress: watch::Receiver<Progress>,
    /// What it says of itself.
    status: watch::Receiver<Status>,
    /// Ends the tasks.
    cancel: CancellationToken,
    /// The tasks.
    tasks: TaskTracker,
    /// Closes when the engine is held no more.
    released: Mutex<mpsc::Receiver<Infallible>>,
}

/// Opens a replica and recovers what it was: from now on it answers, follows, and asks for votes. It does not make a
/// group: see [`Handle::bootstrap`].
///
/// # Errors
/// [`Error::Options`], [`Error::Storage`], [`Error::Recovery`].
pub async fn start(options: Options, engine: Arc<dyn Engine>, link: Arc<dyn Link>) -> Result<Handle, Error> {
    let config = Arc::new(options.config().map_err(|error| Error::Options { reason: error.to_string() })?);
    let keys = Keys::new(options.group);
    let (engine, released) = Disk::new(engine);
    let log = Log::open(engine.clone(), keys)?;
    let machine = Machine::open(engine, keys)?.observed_by(options.observer.clone());
    let (state, progress) = (machine.published(), machine.progress());
    let receiver = Receiver::new(machine.generations());
    let clients = Clients::new(link, options.clone());
    let raft = Raft::new(Id(options.node), config, clients, log, machine)
        .await
        .map_err(|error| Error::Recovery { reason: error.to_string() })?;

    hurry(&raft, options.node).await?;

    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (confirm, rounds) = confirm::Actor::new(raft.clone());
    tasks.spawn(rounds.run(cancel.clone()));
    let (sender, status) = watch::channel(Status::default());
    let observer = status::Actor::new(raft.metrics(), progress.clone(), sender);
    tasks.spawn(observer.run(cancel.clone()));

    let server = Server::new(options.group, raft.clone(), receiver);
    let released = Mutex::new(released);
    let shared = Shared { options, raft, server, confirm, state, progress, status, cancel, tasks, released };
    Ok(Handle { shared: Arc::new(shared) })
}

impl Handle {
    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.options.node
    }

    /// The state, after each chunk of applied entries. A clone of it is O(1).
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.shared.state.clone()
    }

    /// What the replica says of itself.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// Makes a group of one out of this replica and proposes `genesis`, an encoded batch. May be called again with the
    /// same bytes after a crash at any point of it, and does nothing once there is a cluster.
    ///
    /// # Errors
    /// [`Error::GenesisRefused`], [`Error::Recovery`] on a disk that has voted and has lost its log, [`Error::Stopped`].
    pub async fn bootstrap(&self, genesis: Bytes) -> Result<(), Error> {
        if self.shared.state.borrow().cluster.is_some() {
            return Ok(());
        }
        match self.shared.raft.initialize(nodes([self.node()])).await {
            // Not allowed: there is a log or a vote already, of the attempt before this one.
            Ok(()) | Err(RaftError::APIError(_)) => {}
            Err(RaftError::Fatal(_)) => return Err(Error::Stopped),
        }
        match hurry(&self.shared.raft, self.node()).await? {
            Members::Alone => self.propose_genesis(genesis).await,
            // Nobody else could have been added before there was a cluster; its state is still to be applied here.
            Members::Several => Ok(()),
            Members::None => {
                Err(Error::Recovery { reason: "it has voted, but the log of its group is gone".to_owned() })
            }
        }
    }

    async fn propose_genesis(&self, genesis: Bytes) -> Result<(), Error> {
        loop {
            self.settled().await?;
            if self.shared.state.borrow().cluster.is_some() {
                return Ok(());
            }
            match self.propose(genesis.clone()).await {
                Ok(applied) => return genesis_done(&applied),
                Err(WriteError::Stopped) => return Err(Error::Stopped),
                // It has just stepped down, to lead again at once: there is nobody else.
                Err(WriteError::NotLeader { .. } | WriteError::Unknown | WriteError::TooLarge { .. }) => {}
            }
        }
    }

    /// Waits until the replica leads and has applied the first entry of its term.
    async fn settled(&self) -> Result<(), Error> {
        let mut status = self.status();
        let settled = |status: &Status| status.stopped.is_some() || status.first_index_of_term.is_some();
        let status = status.wait_for(settled).await.map_err(|_| Error::Stopped)?;
        if status.stopped.is_some() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Proposes an encoded batch and waits until it is applied here. Waits as long as this node leads without a quorum:
    /// the caller has a deadline, after which the batch's fate is unknown.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn propose(&self, batch: impl Into<Bytes>) -> Result<BatchApplied, WriteError> {
        let batch = batch.into();
        if batch.len() > SHIPMENT_BYTES {
            return Err(WriteError::TooLarge { bytes: batch.len() });
        }
        match self.shared.raft.client_write(Data(batch)).await {
            Ok(done) => {
                Ok(BatchApplied { index: done.log_id.index, term: done.log_id.leader_id.term, outcomes: done.data.0 })
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(WriteError::NotLeader { leader: to.leader_id.map(|id| id.0) })
            }
            Err(RaftError::APIError(_)) => Err(WriteError::Unknown),
            Err(RaftError::Fatal(_)) => Err(WriteError::Stopped),
        }
    }

    /// Confirms by a ReadIndex round, begun after this call, that this node leads.
    ///
    /// # Errors
    /// See [`ConfirmError`].
    pub async fn confirm_lead(&self) -> Result<Confirmed, ConfirmError> {
        self.shared.confirm.confirm().await
    }

    /// Waits until this replica has applied entry `index`.
    ///
    /// # Errors
    /// [`Error::NotApplied`] after `deadline`, [`Error::Stopped`].
    pub async fn wait_applied(&self, index: u64, deadline: Duration) -> Result<State, Error> {
        let mut state = self.state();
        let reached = state.wait_for(|state| state.counters.applied_index >= index);
        match tokio::time::timeout(deadline, reached).await {
            Ok(Ok(state)) => Ok(state.clone()),
            Ok(Err(_)) => Err(Error::Stopped),
            Err(_) => Err(Error::NotApplied { index }),
        }
    }

    /// Changes the group's members, if this node leads and nobody else changes them meanwhile.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn change(&self, change: MembershipChange) -> Result<(), ChangeError> {
        change::change(&self.shared.raft, change).await
    }

    /// Answers a peer's request, which the link brought from `from`. It is handed on before this returns: called in the
    /// order in which a lane brings its requests, it keeps that order, and need not be awaited before the next.
    pub fn serve(&self, from: NodeId, kind: Kind, request: Bytes) -> BoxFuture<'static, Result<Bytes, ServeError>> {
        let shared = self.shared.clone();
        let mut answer = async move { shared.server.serve(from, kind, request).await }.boxed();
        // One poll takes a request as far as openraft's queue. Unconstrained: a task that has used up its budget would
        // find a queue with room in it not ready.
        match tokio::task::unconstrained(&mut answer).now_or_never() {
            Some(done) => std::future::ready(done).boxed(),
            None => answer,
        }
    }

    /// At most `limit` lines of the audit chain from `from` on, in log order, as far as this replica has applied it.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Audit`].
    pub fn audit(&self, from: Position, limit: usize) -> Result<Vec<AuditRow>, Error> {
        let Progress { applied, generation, .. } = self.shared.progress.borrow().clone();
        let end = applied.map_or(0, |id| id.index + 1);
        let engine = generation.engine()?;
        let lines = audit::scan(&*engine, generation.keys(), generation.number(), from, end, limit)?;
        lines.into_iter().map(|(at, value)| AuditRow::decode(at, &value).map_err(Error::Audit)).collect()
    }

    /// Hands leadership to a voter, as far as it is up to date. Returns once it is asked for; nothing happens on a node that
    /// does not lead.
    pub async fn transfer_leader(&self, to: NodeId) {
        // openraft's successor wants to have synced the last entry since it was started, so there must be one.
        let entry = tokio::time::timeout(self.shared.options.election_max, self.shared.raft.write_blank()).await;
        if matches!(entry, Ok(Ok(_))) {
            // A replica that has stopped leads nothing.
            drop(self.shared.raft.trigger().transfer_leader(Id(to)).await);
        }
    }

    /// Stops the replica. What it has acknowledged is on disk, and it holds its engine no more, whoever has a handle.
    pub async fn shutdown(&self) {
        // It may have stopped already, with an error or a panic: it is stopped either way.
        drop(self.shared.raft.shutdown().await);
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        let mut released = self.shared.released.lock().await;
        // openraft's tasks end a little after its core. One that does not must not keep the process from ending.
        drop(tokio::time::timeout(RELEASE, released.recv()).await);
    }
}

/// Who has a vote.
enum Members {
    /// Nobody: it is in no group yet.
    None,
    /// This node alone.
    Alone,
    /// Others too.
    Several,
}

/// Lets a sole voter elect itself at once: there is nobody to wait for.
async fn hurry(raft: &Raft, me: NodeId) -> Result<Members, Error> {
    let voters = raft.with_raft_state(|state| state.membership_state.effective().voter_ids().collect::<Vec<_>>());
    let voters = voters.await.map_err(|_| Error::Stopped)?;
    if voters.is_empty() {
        return Ok(Members::None);
    }
    if voters != [Id(me)] {
        return Ok(Members::Several);
    }
    raft.trigger().elect(false).await.map_err(|_| Error::Stopped)?;
    Ok(Members::Alone)
}

fn genesis_done(applied: &BatchApplied) -> Result<(), Error> {
    match applied.outcomes.first() {
        Some(Outcome::Refused(refusal)) => Err(Error::GenesisRefused(refusal.clone())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
