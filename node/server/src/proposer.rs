//! The way of a command to the log: gathered into a batch, signed once, taken to the leader, repeated until its fate is
//! known or nobody waits for it any more.
//!
//! Commands that arrive while a batch is on its way go together in the next one, so that one signature and one log entry
//! carry many. A leader's commands go in batches of their own, which are never forwarded or repeated in another term.
//! A repetition sends the same bytes, so that its commands are recognised. A sender's deadline runs from when its command
//! is taken up here, and its time in the queue counts: whoever waits no longer is answered at its deadline, and what was
//! still in the queue then is never sent.
//!
//! A command of a gate that is not open is refused here, alone, before it is in a batch with others.
//!
//! Bounds: [`QUEUED_COMMANDS`] commands wait in each queue, and as many before the queues (senders wait for room there; what
//! finds its queue full is refused). A batch has at most 1024 commands and 128 KiB of them; a longer command goes alone, and
//! one over 512 KiB is refused. Two ordinary batches and one of the leader's are on their way at once.

mod admission;
mod in_flight;
mod log_time;
mod queue;
mod submission;
mod successor;
#[cfg(test)]
mod tests;
mod waiters;

pub use admission::{Admission, AdmissionError, Clocks as LeaderClocks};
pub use successor::successor;

use crate::clock::WallMs;
use ed25519_dalek::SigningKey;
use queue::{Queue, Queued};
use std::sync::Arc;
use submission::Submission;
use symbi_model::{ClusterId, Committed, NodeId, Proposal, ProposeError, gate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Commands that wait in a queue.
pub const QUEUED_COMMANDS: usize = 4096;
/// Ordinary batches on their way at once.
const IN_FLIGHT: usize = 2;

/// Where the answer to a proposal goes.
pub type Reply = oneshot::Sender<Result<Committed, ProposeError>>;

/// What the proposer needs.
#[derive(Clone)]
pub struct Ports {
    /// This node.
    pub node: NodeId,
    /// Its key.
    pub key: Arc<SigningKey>,
    /// Its clock.
    pub wall_ms: WallMs,
    /// The group.
    pub raft: symbi_raft::Handle,
    /// The way to other nodes.
    pub net: symbi_net::Handle,
    /// What the leader checks before it takes a batch.
    pub admission: Admission,
    /// The cluster's id, once it is known.
    pub cluster: watch::Receiver<Option<ClusterId>>,
}

/// Starts the proposer; it ends when every sender is gone and nothing waits, or on `cancel`.
pub fn spawn(ports: Ports, tracker: &TaskTracker, cancel: CancellationToken) -> mpsc::Sender<Proposal<Reply>> {
    let (sender, proposals) = mpsc::channel(QUEUED_COMMANDS);
    let dispatcher = Dispatcher {
        ports,
        proposals,
        ordinary: Queue::default(),
        ordinary_room: Arc::new(Semaphore::new(IN_FLIGHT)),
        leaders: Queue::default(),
        // One batch of the leader's at a time: its commands enter the log in the order in which they were decided.
        leaders_room: Arc::new(Semaphore::new(1)),
        tasks: tracker.clone(),
    };
    tracker.spawn(dispatcher.run(cancel));
    sender
}

/// Takes commands up, keeps their deadlines while they wait, and dispatches batches. It never waits for anything else, so
/// that no queue holds up the other.
struct Dispatcher {
    /// What it works with.
    ports: Ports,
    /// What comes in.
    proposals: mpsc::Receiver<Proposal<Reply>>,
    /// Ordinary commands.
    ordinary: Queue,
    /// Room for their batches on their way.
    ordinary_room: Arc<Semaphore>,
    /// The leader's commands.
    leaders: Queue,
    /// Room for their batches on their way.
    leaders_room: Arc<Semaphore>,
    /// Owns the batches on their way.
    tasks: TaskTracker,
}

impl Dispatcher {
    async fn run(mut self, cancel: CancellationToken) {
        let (mut open, mut taken) = (true, Vec::new());
        while open || !self.ordinary.is_empty() || !self.leaders.is_empty() {
            let look_at = self.ordinary.look_at().into_iter().chain(self.leaders.look_at()).min();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return self.stop(),
                room = vacancy(&self.leaders_room), if !self.leaders.is_empty() => {
                    let batch = self.leaders.gather(Instant::now());
                    self.dispatch(batch, room);
                }
                room = led(&self.ports, &self.ordinary_room), if !self.ordinary.is_empty() => {
                    self.gather_round(&mut taken).await;
                    let batch = self.ordinary.gather(Instant::now());
                    self.dispatch(batch, room);
                }
                () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                    self.ordinary.expire(Instant::now());
                    self.leaders.expire(Instant::now());
                }
                count = self.proposals.recv_many(&mut taken, queue::BATCH_COMMANDS), if open => {
                    open = count > 0;
                    self.take_up(&mut taken);
                }
            }
        }
    }

    /// Lets those who are about to send do so first. The answers to one batch wake many senders at once, and the first of
    /// them wakes the dispatcher: without this a batch would leave with a few commands, and the others wait for it.
    async fn gather_round(&mut self, taken: &mut Vec<Proposal<Reply>>) {
        tokio::task::yield_now().await;
        while taken.len() < queue::BATCH_COMMANDS
            && let Ok(proposal) = self.proposals.try_recv()
        {
            taken.push(proposal);
        }
        self.take_up(taken);
    }

    fn take_up(&mut self, taken: &mut Vec<Proposal<Reply>>) {
        let (now, open) = (Instant::now(), self.ports.raft.state().borrow().counters.gate.max(gate::FIRST));
        for next in taken.drain(..).filter_map(|proposal| Queued::new(proposal, now, open)) {
            let queue = if next.decided_term.is_some() { &mut self.leaders } else { &mut self.ordinary };
            queue.push(next);
        }
    }

    fn dispatch(&self, batch: Vec<Queued>, room: OwnedSemaphorePermit) {
        if let Some(submission) = Submission::new(self.ports.clone(), batch) {
            self.tasks.spawn(async move {
                submission.run().await;
                drop(room);
            });
        }
    }

    /// Tells those whose commands were never sent.
    fn stop(mut self) {
        self.proposals.close();
        while let Ok(proposal) = self.proposals.try_recv() {
            let _ = proposal.reply.send(Err(ProposeError::Stopping));
        }
        self.ordinary.refuse(&ProposeError::Stopping);
        self.leaders.refuse(&ProposeError::Stopping);
    }
}

async fn vacancy(room: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    room.clone().acquire_owned().await.expect("never closed")
}

/// Room for a batch, once there is somebody to take it to: until then it stays in the queue, where deadlines are kept and
/// what comes later can still join it.
async fn led(ports: &Ports, room: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let room = vacancy(room).await;
    let (mut cluster, mut status) = (ports.cluster.clone(), ports.raft.status());
    let known = cluster.wait_for(Option::is_some).await.is_ok();
    let leads = status.wait_for(|status| status.leader.is_some()).await.is_ok();
    if !(known && leads) {
        // The replica is gone: what waits expires.
        std::future::pending::<()>().await;
    }
    room
}

/// The cluster's id once it is known, and the future that waits for it.
pub fn cluster_id(
    raft: &symbi_raft::Handle,
    cancel: CancellationToken,
) -> (watch::Receiver<Option<ClusterId>>, impl Future<Output = ()> + Send + 'static) {
    let (known, watched) = watch::channel(None);
    let mut state = raft.state();
    let keep = async move {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            state = state.wait_for(|state| state.cluster.is_some()) => {
                if let Ok(state) = state {
                    known.send_replace(state.cluster.as_ref().map(|cluster| cluster.id));
                }
            }
        }
    };
    (watched, keep)
}
