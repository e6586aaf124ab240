//! The face of a replica of any group: what the rest of the node asks of it.

use crate::applier::{Applier, Progress, Raft};
use crate::change::{self, MembershipChange};
use crate::confirm::{self, Confirmed};
use crate::disk::format::nodes;
use crate::disk::{Disk, Keys, Stalls};
use crate::entry::Data;
use crate::error::{ChangeError, ConfirmError, Error, ServeError, WriteError};
use crate::fetch;
use crate::keeper;
use crate::lines::Lines;
use crate::link::{Kind, Link};
use crate::log::{Log, SHIPMENT_BYTES};
use crate::machine::{Line, Machine};
use crate::network::Clients;
use crate::options::Options;
use crate::position::Position;
use crate::receive::Receiver;
use crate::replica::ReplicaId;
use crate::serve::{self, Server};
use crate::status::{self, Status};
use crate::transfers::Transfers;
use crate::watchdog::{self, Health};
use crate::wire::Request;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};
use symbi_store::Engine;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a shutdown waits for openraft to end, and then for the engine to be let go: neither does on a disk that hangs.
const RELEASE: Duration = Duration::from_secs(5);

/// What became of a proposed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its index.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// What the machine answered.
    pub answer: Bytes,
}

/// A replica of a group.
pub struct Replica<M: Machine> {
    /// The replica.
    shared: Arc<Shared<M>>,
}

impl<M: Machine> Clone for Replica<M> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// What all handles of a replica share.
struct Shared<M: Machine> {
    /// How it was set up.
    options: Options,
    /// The replica.
    raft: Raft<M>,
    /// What entries left behind.
    lines: Arc<Lines>,
    /// Answers peers.
    server: Server<M>,
    /// Confirms that this node leads.
    confirm: confirm::Handle,
    /// The state after each chunk of entries.
    image: watch::Receiver<M::Image>,
    /// How far the state machine is.
    progress: watch::Receiver<Progress>,
    /// What it says of itself.
    status: watch::Receiver<Status>,
    /// Whether its disk still answers.
    health: watch::Receiver<Health>,
    /// What its disk was asked and has not answered.
    stalls: Stalls,
    /// The snapshots that it sends.
    transfers: Transfers,
    /// Ends the tasks.
    cancel: CancellationToken,
    /// The tasks.
    tasks: TaskTracker,
    /// Closes when the engine is held no more.
    released: Mutex<mpsc::Receiver<Infallible>>,
}

/// Opens a replica and recovers what it was: from now on it answers, follows, and asks for votes. It does not make a
/// group: see [`Replica::found`].
///
/// # Errors
/// [`Error::Options`], [`Error::Storage`], [`Error::Recovery`].
pub async fn open<M: Machine>(
    options: Options,
    engine: Arc<dyn Engine>,
    link: Arc<dyn Link>,
) -> Result<Replica<M>, Error> {
    let config = Arc::new(options.config().map_err(|error| Error::Options { reason: error.to_string() })?);
    let (keys, work) = (Keys::new(options.group), options.work);
    let (engine, released) = Disk::new(engine);
    let stalls = engine.stalls();
    let log = Log::open(engine.clone(), keys)?;
    let meter = log.meter();
    let applier = Applier::<M>::open(engine, keys, work)?.observed_by(options.observer.clone());
    let (image, progress, lines) = (applier.published(), applier.progress(), applier.lines());
    let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
    let filled = applier.generations().filled();
    let receiver = Receiver::new(applier.generations(), image.clone(), &options, tasks.clone(), cancel.clone());
    let transfers = Transfers::default();
    let clients = Clients::new(link.clone(), options.clone(), transfers.clone());
    let raft = Raft::<M>::new(options.replica(), config, clients, log, applier)
        .await
        .map_err(|error| Error::Recovery { reason: error.to_string() })?;
    hurry(&raft, options.replica()).await?;

    let (confirm, rounds) = confirm::Actor::new(raft.clone());
    tasks.spawn(rounds.run(cancel.clone()));
    let (watchdog, health) = watchdog::Actor::new(raft.clone(), stalls.clone(), options.clone());
    watchdog.spawn(work, &tasks, cancel.clone());
    // Whoever waits until nothing is missing must not take a beginning for it.
    let (sender, status) = watch::channel(Status { missing: lines.missing(), ..Status::default() });
    let sources = status::Sources {
        metrics: raft.metrics(),
        progress: progress.clone(),
        health: health.clone(),
        holes: lines.holes(),
        taken: transfers.taken(),
        filled,
    };
    let observer = status::Actor::new(sources, sender);
    tasks.spawn(observer.run(cancel.clone()));
    let keeper = keeper::Actor::new(raft.clone(), progress.clone(), meter, transfers.clone(), options.clone());
    tasks.spawn(keeper.run(cancel.clone()));
    let fetch = fetch::Actor::new(raft.clone(), link, image.clone(), lines.clone(), options.clone());
    tasks.spawn(fetch.run(cancel.clone()));

    let server = Server::new(&options, raft.clone(), receiver, image.clone(), lines.clone());
    let released = Mutex::new(released);
    let shared = Shared {
        options,
        raft,
        lines,
        server,
        confirm,
        image,
        progress,
        status,
        health,
        stalls,
        transfers,
        cancel,
        tasks,
        released,
    };
    Ok(Replica { shared: Arc::new(shared) })
}

impl<M: Machine> Replica<M> {
    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.options.node
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shared.options.group
    }

    /// The machine's state, after each chunk of applied entries.
    #[must_use]
    pub fn image(&self) -> watch::Receiver<M::Image> {
        self.shared.image.clone()
    }

    /// The index of the last snapshot that was installed, at whatever start; none if none was. An entry behind it was applied here,
    /// this time or before. Of a state that was looked at before, it says so too late rather than too early: it never falls.
    #[must_use]
    pub fn installed(&self) -> Option<u64> {
        self.shared.progress.borrow().installed
    }

    /// The entries whose lines are not on this disk, as ranges of first and last: known before a state is shown that has them in it.
    #[must_use]
    pub fn missing(&self) -> Vec<(u64, u64)> {
        self.shared.lines.missing()
    }

    /// What the replica says of itself.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// Where it stands, for whoever wants to know why a group does not get on: all that Raft says of itself, and what holds
    /// it up beside that.
    #[must_use]
    pub fn standing(&self) -> String {
        let Shared { raft, health, stalls, transfers, progress, .. } = &*self.shared;
        let (applied, disk) = (progress.borrow().applied.map_or(0, |id| id.index), health.borrow().clone());
        let (unanswered, kept_from) = (stalls.oldest(), transfers.purgeable());
        let metrics = raft.metrics().borrow_watched().clone();
        format!(
            "applied {applied}, disk {disk:?}, unanswered {unanswered:?}, kept for snapshots {kept_from:?}; {metrics}"
        )
    }

    /// Makes a group of one out of this replica, unless it is in one already; says whether it is alone in it. May be called
    /// again after a crash at any point of it.
    ///
    /// # Errors
    /// [`Error::Recovery`] on a disk that has voted and has lost its log, [`Error::Stopped`].
    pub async fn found(&self) -> Result<bool, Error> {
        match self.shared.raft.initialize(nodes([self.shared.options.replica()])).await {
            // Not allowed: there is a log or a vote already, of the attempt before this one.
            Ok(()) | Err(RaftError::APIError(_)) => {}
            Err(RaftError::Fatal(_)) => return Err(Error::Stopped),
        }
        match hurry(&self.shared.raft, self.shared.options.replica()).await? {
            Members::Alone => Ok(true),
            Members::Several => Ok(false),
            Members::None => {
                Err(Error::Recovery { reason: "it has voted, but the log of its group is gone".to_owned() })
            }
        }
    }

    /// Waits until the replica leads and has applied the first entry of its term.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn settled(&self) -> Result<(), Error> {
        let mut status = self.status();
        let settled = |status: &Status| status.stopped.is_some() || status.first_index_of_term.is_some();
        let status = status.wait_for(settled).await.map_err(|_| Error::Stopped)?;
        if status.stopped.is_some() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Proposes an entry and waits until it is applied here. Waits as long as this node leads without a quorum: the caller
    /// has a deadline, after which the entry's fate is unknown.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(&self, entry: impl Into<Bytes>) -> Result<Applied, WriteError> {
        let entry = entry.into();
        if entry.len() > SHIPMENT_BYTES {
            return Err(WriteError::TooLarge { bytes: entry.len() });
        }
        if self.shared.health.borrow().is_stalled() {
            return Err(WriteError::NotLeader { leader: None });
        }
        match self.shared.raft.client_write(Data(entry)).await {
            Ok(done) => {
                Ok(Applied { index: done.log_id.index, term: done.log_id.leader_id.term, answer: done.data.0.0 })
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(WriteError::NotLeader { leader: to.leader_id.map(|id| id.node) })
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
        if self.shared.health.borrow().is_stalled() {
            return Err(ConfirmError::NotLeader { leader: None });
        }
        self.shared.confirm.confirm().await
    }

    /// Waits until this replica has applied entry `index`.
    ///
    /// # Errors
    /// [`Error::NotApplied`] after `deadline`, [`Error::Stopped`].
    pub async fn wait_applied(&self, index: u64, deadline: Duration) -> Result<M::Image, Error> {
        let mut progress = self.shared.progress.clone();
        let reached = progress.wait_for(|progress| progress.applied.map_or(0, |id| id.index) >= index);
        match tokio::time::timeout(deadline, reached).await {
            Ok(Ok(_)) => Ok(self.shared.image.borrow().clone()),
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
        match serve::decode(&request) {
            Ok(request) => self.answer(from, kind, request),
            Err(error) => std::future::ready(Err(error)).boxed(),
        }
    }

    /// As [`Replica::serve`], of a request that is read already.
    pub(crate) fn answer(
        &self,
        from: NodeId,
        kind: Kind,
        request: Request,
    ) -> BoxFuture<'static, Result<Bytes, ServeError>> {
        let shared = self.shared.clone();
        let mut answer = async move { shared.server.serve(from, kind, request).await }.boxed();
        // One poll takes a request as far as openraft's queue. Unconstrained: a task that has used up its budget would
        // find a queue with room in it not ready.
        match tokio::task::unconstrained(&mut answer).now_or_never() {
            Some(done) => std::future::ready(done).boxed(),
            None => answer,
        }
    }

    /// At most `limit` lines that entries left behind, from `from` on, in log order, as far as this replica has applied it. None
    /// means that there are none.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where the next ones are not here yet, [`Error::Storage`].
    pub fn lines(&self, from: Position, limit: usize) -> Result<Vec<Line>, Error> {
        // How far it is first: a hole is known before the state behind it is.
        let end = self.shared.progress.borrow().applied.map_or(0, |id| id.index + 1);
        self.shared.lines.read(from, end, limit)
    }

    /// The longest that this replica went without hearing its leader, in the last minute or two; none where there was none to hear.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        self.shared.server.silence()
    }

    /// Hands leadership to a voter, as far as it is up to date. Returns once it is asked for; nothing happens on a node that
    /// does not lead.
    pub async fn transfer_leader(&self, to: NodeId) {
        // openraft's successor wants to have synced the last entry since it was started, so there must be one.
        let entry = tokio::time::timeout(self.shared.options.election_max, self.shared.raft.write_blank()).await;
        let members = self.shared.raft.metrics().borrow_watched().membership_config.clone();
        let voter = members.voter_ids().find(|voter| voter.node == to);
        if let (Ok(Ok(_)), Some(voter)) = (entry, voter) {
            // A replica that has stopped leads nothing.
            drop(self.shared.raft.trigger().transfer_leader(voter).await);
        }
    }

    /// Stops the replica. What it has acknowledged is on disk, and it holds its engine no more, whoever has a handle.
    pub async fn shutdown(&self) {
        // It may have stopped already, with an error or a panic: it is stopped either way.
        drop(tokio::time::timeout(RELEASE, self.shared.raft.shutdown()).await);
        self.shared.cancel.cancel();
        self.shared.tasks.close();
        drop(tokio::time::timeout(RELEASE, self.shared.tasks.wait()).await);
        let mut released = self.shared.released.lock().await;
        // openraft's tasks end a little after its core. One that does not must not keep the process from ending.
        drop(tokio::time::timeout(RELEASE, released.recv()).await);
    }
}

/// Who has a vote.
enum Members {
    /// Nobody: it is in no group yet.
    None,
    /// This replica alone.
    Alone,
    /// Others too.
    Several,
}

/// Lets a sole voter elect itself at once: there is nobody to wait for.
async fn hurry<M: Machine>(raft: &Raft<M>, me: ReplicaId) -> Result<Members, Error> {
    let voters = raft.with_raft_state(|state| state.membership_state.effective().voter_ids().collect::<Vec<_>>());
    let voters = voters.await.map_err(|_| Error::Stopped)?;
    if voters.is_empty() {
        return Ok(Members::None);
    }
    if voters != [me] {
        return Ok(Members::Several);
    }
    raft.trigger().elect(false).await.map_err(|_| Error::Stopped)?;
    Ok(Members::Alone)
}

#[cfg(test)]
mod tests;
