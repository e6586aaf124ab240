//! The way of a command to the log: gathered into a batch, signed once, taken to the leader, repeated until its fate is
//! known or nobody waits for it any more.
//!
//! Commands that arrive while a batch is on its way go together in the next one, so that one signature and one log entry
//! carry many. A leader's commands go in batches of their own, which are never forwarded or repeated in another term.
//! A repetition sends the same bytes, so that its commands are recognised. A sender's deadline runs from when its command
//! is taken up here, and its time in the queue counts: whoever waits no longer is answered at its deadline, and what was
//! still in the queue then is never sent.
//!
//! Bounds: [`QUEUE`] commands wait in each lane, and as many before the lanes (senders wait for room there; what finds
//! its lane full is refused). A batch has at most 1024 commands and 128 KiB of them; a longer command goes alone, and one
//! over 512 KiB is refused. Two ordinary batches and one of the leader's are on their way at once.

mod audience;
mod door;
mod drive;
mod flights;
mod lane;
mod successor;
#[cfg(test)]
mod tests;

pub use door::{Clocks as LeaderClocks, Door, DoorError};
pub use successor::successor;

use crate::clock::WallMs;
use drive::Drive;
use ed25519_dalek::SigningKey;
use lane::{Lane, Queued};
use std::sync::Arc;
use symbi_model::{ClusterId, Committed, NodeId, Proposal, ProposeError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Commands that wait in a lane.
pub const QUEUE: usize = 4096;
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
    pub door: Door,
    /// The cluster's id, once it is known.
    pub cluster: watch::Receiver<Option<ClusterId>>,
}

/// Starts the proposer; it ends when every sender is gone and nothing waits, or on `cancel`.
pub fn spawn(ports: Ports, tracker: &TaskTracker, cancel: CancellationToken) -> mpsc::Sender<Proposal<Reply>> {
    let (sender, proposals) = mpsc::channel(QUEUE);
    let dispatcher = Dispatcher {
        ports,
        proposals,
        ordinary: Lane::default(),
        ordinary_room: Arc::new(Semaphore::new(IN_FLIGHT)),
        leaders: Lane::default(),
        // One batch of the leader's at a time: its commands enter the log in the order in which they were decided.
        leaders_room: Arc::new(Semaphore::new(1)),
        tasks: tracker.clone(),
    };
    tracker.spawn(dispatcher.run(cancel));
    sender
}

/// Takes commands up, keeps their deadlines while they wait, and dispatches batches. It never waits for anything else, so
/// that no lane holds up the other.
struct Dispatcher {
    /// What it works with.
    ports: Ports,
    /// What comes in.
    proposals: mpsc::Receiver<Proposal<Reply>>,
    /// Ordinary commands.
    ordinary: Lane,
    /// Room for their batches on their way.
    ordinary_room: Arc<Semaphore>,
    /// The leader's commands.
    leaders: Lane,
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
                count = self.proposals.recv_many(&mut taken, lane::BATCH_COMMANDS), if open => {
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
        while taken.len() < lane::BATCH_COMMANDS
            && let Ok(proposal) = self.proposals.try_recv()
        {
            taken.push(proposal);
        }
        self.take_up(taken);
    }

    fn take_up(&mut self, taken: &mut Vec<Proposal<Reply>>) {
        let now = Instant::now();
        for next in taken.drain(..).filter_map(|proposal| Queued::new(proposal, now)) {
            let lane = if next.decided_term.is_some() { &mut self.leaders } else { &mut self.ordinary };
            lane.push(next);
        }
    }

    fn dispatch(&self, batch: Vec<Queued>, room: OwnedSemaphorePermit) {
        if let Some(drive) = Drive::new(self.ports.clone(), batch) {
            self.tasks.spawn(async move {
                drive.run().await;
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
