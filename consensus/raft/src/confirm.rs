//! Confirms that this node leads: ReadIndex rounds, shared by all who wait when one begins.

use crate::applier::Raft;
use crate::error::ConfirmError;
use crate::machine::Machine;
use openraft::ReadPolicy;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// How many may wait for the next round; more wait to be let in.
const WAITING: usize = 4096;

/// A quorum has confirmed that this node led after the question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The term in which it leads.
    pub term: u64,
    /// Whoever has applied this entry has seen everything that was acknowledged before the question was asked.
    pub read_index: u64,
}

type Answer = Result<Confirmed, ConfirmError>;

/// Asks for confirmation.
#[derive(Clone)]
pub struct Handle {
    /// To the actor.
    sender: mpsc::Sender<oneshot::Sender<Answer>>,
}

impl Handle {
    /// Waits for a round that begins after this call.
    pub async fn confirm(&self) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.sender.send(reply).await.map_err(|_| ConfirmError::Stopped)?;
        answer.await.unwrap_or(Err(ConfirmError::Stopped))
    }
}

/// Runs the rounds, one at a time.
pub struct Actor<M: Machine> {
    /// The replica.
    raft: Raft<M>,
    /// Those who wait.
    waiting: mpsc::Receiver<oneshot::Sender<Answer>>,
}

impl<M: Machine> Actor<M> {
    /// An actor and its handle.
    pub fn new(raft: Raft<M>) -> (Handle, Self) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (Handle { sender }, Self { raft, waiting })
    }

    /// Runs until it is cancelled or nobody can ask any more.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut round = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                count = self.waiting.recv_many(&mut round, WAITING) => if count == 0 { return },
            }
            // Everybody in this round asked before it begins here.
            let answer = self.round().await;
            for reply in round.drain(..) {
                // Whoever does not wait any more needs no answer.
                drop(reply.send(answer.clone()));
            }
        }
    }

    async fn round(&self) -> Answer {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => {
                let id = linearizer.read_log_id().log_id();
                Ok(Confirmed { term: id.leader_id.term, read_index: id.index })
            }
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                Err(ConfirmError::NotLeader { leader: to.leader_id.map(|id| id.node) })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ConfirmError::NoQuorum),
            Err(RaftError::Fatal(_)) => Err(ConfirmError::Stopped),
        }
    }
}
