//! Takes a snapshot in, frame by frame, on a task of its own: what else a peer says is answered meanwhile. One at a time: a
//! newer leader's, or a new attempt, takes the place of an older. One of which nothing more comes ends, and what it wrote goes.

use crate::applier::Raft;
use crate::error::ServeError;
use crate::machine::{Capture, Filling, Generations, Machine};
use crate::network::IN_FLIGHT;
use crate::options::Options;
use crate::types::{self, Snapshot, SnapshotMeta};
use crate::wire::{Begin, Reply};
use crate::work::Work;
use bytes::Bytes;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::NodeId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A snapshot on its way in.
struct Transfer<M: Machine> {
    /// Who sends it.
    from: NodeId,
    /// Its beginning.
    begin: Begin,
    /// The number of the next frame.
    next: u64,
    /// To its task.
    steps: mpsc::Sender<Step<M>>,
}

/// What a transfer's task is given.
enum Step<M: Machine> {
    /// The next frame, and where to say that it was taken.
    Frame(Bytes, oneshot::Sender<io::Result<()>>),
    /// That was all, and where the snapshot goes.
    End(oneshot::Sender<io::Result<Capture<M::Image>>>),
}

/// Takes snapshots in.
pub struct Receiver<M: Machine> {
    /// Where they go.
    generations: Arc<Generations>,
    /// The state in whose place they would come.
    image: watch::Receiver<M::Image>,
    /// Where frames are unpacked.
    work: Work,
    /// Has the tasks.
    tasks: TaskTracker,
    /// Ends them.
    cancel: CancellationToken,
    /// How long one may be silent.
    silence: Duration,
    /// The one on its way.
    transfer: Mutex<Option<Transfer<M>>>,
}

impl<M: Machine> Receiver<M> {
    /// Nothing on its way yet.
    pub fn new(
        generations: Arc<Generations>,
        image: watch::Receiver<M::Image>,
        options: &Options,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (work, silence) = (options.work, options.snapshot_silence());
        Self { generations, image, work, tasks, cancel, silence, transfer: Mutex::new(None) }
    }

    /// A snapshot begins.
    pub async fn begin(&self, from: NodeId, begin: Begin) -> Result<Reply, ServeError> {
        if self.transfer().as_ref().is_some_and(|held| held.begin.vote.term > begin.vote.term) {
            return Ok(refused("a newer leader sends one"));
        }
        let generation = match self.generations.next().await {
            Ok(generation) => generation,
            Err(error) => return Ok(refused(&error.to_string())),
        };
        let filling = Filling::<M::Loading>::new(generation, begin.header.clone());
        let last = begin.last.map_or(0, |id| id.index);
        let (steps, inbox) = mpsc::channel(IN_FLIGHT + 1);
        let (cancel, own) = (self.cancel.clone(), self.image.clone());
        let filled = fill::<M>((filling, own), last, (self.work, self.silence), inbox);
        self.tasks.spawn(async move { cancel.run_until_cancelled(filled).await });
        let old = self.transfer().replace(Transfer { from, begin, next: 0, steps });
        drop(old);
        Ok(Reply::Continue)
    }

    /// The next frame: queued for its task at once, answered when it was taken.
    pub async fn frame(&self, from: NodeId, number: u64, sequence: u64, frame: Bytes) -> Reply {
        let (taken, answer) = oneshot::channel();
        {
            let mut slot = self.transfer();
            let Some(transfer) = slot.as_mut().filter(|held| held.is(from, number) && held.next == sequence) else {
                return refused("it does not continue what is on its way");
            };
            transfer.next += 1;
            if transfer.steps.try_send(Step::Frame(frame, taken)).is_err() {
                *slot = None;
                return refused("it was given up, or more frames came than may be on their way");
            }
        }
        match answer.await {
            Ok(Ok(())) => Reply::Continue,
            Ok(Err(error)) => refused(&error.to_string()),
            Err(_) => refused("it was given up"),
        }
    }

    /// That was all: it is checked, and openraft installs it if it still wants it.
    pub async fn end(&self, raft: &Raft<M>, from: NodeId, number: u64, frames: u64) -> Result<Reply, ServeError> {
        let held = self.transfer().take_if(|held| held.is(from, number));
        let Some(transfer) = held.filter(|held| held.next == frames) else {
            return Ok(refused("it does not end what is on its way"));
        };
        let (filled, answer) = oneshot::channel();
        let asked = transfer.steps.send(Step::End(filled)).await;
        let capture = match answer.await.ok().filter(|_| asked.is_ok()) {
            Some(Ok(capture)) => capture,
            Some(Err(error)) => return Ok(refused(&error.to_string())),
            None => return Ok(refused("it was given up")),
        };
        let Begin { vote, last, membership, .. } = transfer.begin;
        let meta = SnapshotMeta { last_log_id: last.map(types::LogId::from), last_membership: membership.into() };
        let installed = raft.install_full_snapshot(vote.into(), Snapshot { meta, snapshot: capture }).await;
        let response = installed.map_err(|_| ServeError::Stopped)?;
        Ok(Reply::Installed((&response.vote).into()))
    }

    fn transfer(&self) -> MutexGuard<'_, Option<Transfer<M>>> {
        self.transfer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Machine> Transfer<M> {
    fn is(&self, from: NodeId, number: u64) -> bool {
        self.from == from && self.begin.transfer == number
    }
}

/// Takes the frames of one snapshot, until it ends, fails, is given up, or nothing more comes of it for too long.
async fn fill<M: Machine>(
    (mut filling, own): (Filling<M::Loading>, watch::Receiver<M::Image>),
    last: u64,
    (work, silence): (Work, Duration),
    mut inbox: mpsc::Receiver<Step<M>>,
) {
    // Whoever does not wait for a reply any more needs none.
    while let Ok(Some(step)) = timeout(silence, inbox.recv()).await {
        match step {
            Step::Frame(frame, reply) => {
                let taken = work.run(move || filling.take(&frame).map(|()| filling)).await.flatten();
                match taken {
                    Ok(rest) => {
                        filling = rest;
                        drop(reply.send(Ok(())));
                    }
                    Err(error) => return drop(reply.send(Err(error))),
                }
            }
            Step::End(reply) => {
                let own = own.borrow().clone();
                return drop(reply.send(work.run(move || filling.finish(last, &own)).await.flatten()));
            }
        }
    }
}

fn refused(reason: &str) -> Reply {
    Reply::SnapshotRefused { reason: reason.to_owned() }
}
