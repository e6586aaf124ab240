//! One batch that is submitted: signed once, attempted until its fate is known or nobody waits any more.

use super::Ports;
use super::admission::AdmissionError;
use super::in_flight::ATTEMPT;
use super::queue::Queued;
use super::waiters::{Fate, Waiters};
use bytes::Bytes;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use symbi_model::planted::{self, Defect};
use symbi_model::{Batch, NodeId, Outcome, ProposeError, codec, gate};
use symbi_proto::wire::{ControlReply, ControlRequest};
use symbi_raft::WriteError;
use tokio::time::{Instant, sleep_until};

/// How long to wait for news of a leader before trying again.
const PAUSE: Duration = Duration::from_millis(25);

/// A batch and those who wait for it.
pub struct Submission {
    /// Its attempts.
    attempts: Attempts,
    /// Those who wait.
    waiters: Waiters,
}

/// A signed batch, tried again until its fate is known.
struct Attempts {
    /// What it works with.
    ports: Ports,
    /// The signed batch, encoded.
    bytes: Bytes,
    /// Whether it is the leader's: attempted once, in this node's own log.
    leaders: bool,
    /// Whether it may be in a log: raised before each attempt, lowered if that one certainly did not append it and none
    /// before it may have.
    appended: AtomicBool,
}

/// How an attempt ended.
enum Attempt {
    /// It was applied.
    Applied(u64, Vec<Outcome>),
    /// It was certainly not appended.
    NotAppended,
    /// Nobody knows.
    Unknown,
    /// It was refused, and will be again.
    Final(ProposeError),
}

impl Submission {
    /// Signs a batch; none if it is empty, or the cluster is not known yet.
    pub fn new(ports: Ports, batch: Vec<Queued>) -> Option<Self> {
        let decided_term = batch.first()?.decided_term;
        let (mut items, mut waiters) = (Vec::new(), Waiters::default());
        let leads = ports.raft.status().borrow().leader == Some(ports.node);
        for mut queued in batch {
            queued.item.request.take_if(|_| !leads && planted::active(Defect::ForwardWithoutKey));
            items.push(queued.item);
            waiters.push(queued.deadline, queued.reply);
        }
        let cluster = *ports.cluster.borrow();
        let Some(cluster) = cluster else {
            waiters.fail(&ProposeError::NotLeading);
            return None;
        };
        let time_ms = (ports.wall_ms)();
        let group = ports.raft.group();
        let batch = Batch::sign(cluster, group, &ports.key, time_ms, decided_term, items);
        let acts = gate::acts(ports.raft.state().borrow().counters.gate);
        let batch = if acts == batch.acts { batch } else { batch.in_acts(acts, cluster, group, &ports.key) };
        let bytes = Bytes::from(codec::encode_batch(&batch));
        let attempts = Attempts { ports, bytes, leaders: decided_term.is_some(), appended: AtomicBool::new(false) };
        Some(Self { attempts, waiters })
    }

    /// Takes the batch where it belongs, and answers each who waits in time.
    pub async fn run(self) {
        let Self { attempts, mut waiters } = self;
        let mut settled = pin!(attempts.settle());
        loop {
            let deadline = waiters.next_deadline();
            // A leader's batch keeps its place to the end: the next must not overtake it, nor copies of it pile up.
            if deadline.is_none() && !attempts.leaders {
                return;
            }
            tokio::select! {
                biased;
                end = &mut settled => return match end {
                    Ok((index, outcomes)) => waiters.answer(index, &outcomes),
                    Err(error) => waiters.fail(&error),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    waiters.expire(Instant::now(), attempts.fate());
                }
            }
        }
    }
}

impl Attempts {
    fn fate(&self) -> Fate {
        if self.appended.load(Ordering::Relaxed) { Fate::Unknown } else { Fate::NotAppended }
    }

    /// Ends when the batch's fate is known.
    async fn settle(&self) -> Result<(u64, Vec<Outcome>), ProposeError> {
        loop {
            let before = self.fate();
            let attempt = if self.leaders { self.local().await } else { self.attempt().await };
            match attempt {
                Attempt::Applied(index, outcomes) => return Ok((index, outcomes)),
                Attempt::Final(error) => return Err(before.refused(error)),
                Attempt::NotAppended if self.leaders => return Err(ProposeError::NotLeading),
                Attempt::Unknown if self.leaders => return Err(ProposeError::Unknown),
                Attempt::NotAppended => self.appended.store(before == Fate::Unknown, Ordering::Relaxed),
                Attempt::Unknown => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&self) -> Attempt {
        let leader = self.ports.raft.status().borrow().leader;
        match leader {
            Some(leader) if leader == self.ports.node => self.local().await,
            Some(leader) => self.forward(leader).await,
            None => Attempt::NotAppended,
        }
    }

    /// Proposes to this node's own log. While this node leads in the same term the proposal is awaited, however long it
    /// takes: another would append another copy.
    async fn local(&self) -> Attempt {
        let mut status = self.ports.raft.status();
        let term = status.borrow().term;
        match self.ports.admission.admit(self.ports.node, &self.bytes).await {
            Ok(()) => {}
            Err(AdmissionError::NotYet) => return Attempt::NotAppended,
            Err(AdmissionError::Refused(ms)) => return Attempt::Final(skew(ms)),
            Err(AdmissionError::Foreign) => return Attempt::Final(ProposeError::NotLeading),
        }
        self.appended.store(true, Ordering::Relaxed);
        let node = self.ports.node;
        let moved = async {
            let _ = status.wait_for(|now| now.term != term || now.leader != Some(node)).await;
        };
        tokio::select! {
            biased;
            proposed = self.ports.raft.propose(self.bytes.clone()) => match proposed {
                Ok(applied) => Attempt::Applied(applied.index, applied.outcomes),
                Err(WriteError::NotLeader { .. }) => Attempt::NotAppended,
                Err(WriteError::TooLarge { bytes }) => Attempt::Final(ProposeError::TooLarge { bytes }),
                Err(WriteError::Unknown | WriteError::Stopped) => Attempt::Unknown,
            },
            () = moved => Attempt::Unknown,
        }
    }

    async fn forward(&self, leader: NodeId) -> Attempt {
        let request = ControlRequest::Forward { group: self.ports.raft.group(), batch: self.bytes.to_vec() };
        self.appended.store(true, Ordering::Relaxed);
        match crate::wiring::call::control(&self.ports.net, leader, &request, ATTEMPT).await {
            Ok(ControlReply::Committed { index, outcomes, .. }) => Attempt::Applied(index, outcomes),
            Ok(ControlReply::NotLeader { .. }) => Attempt::NotAppended,
            Err(error) if error.is_unsent() => Attempt::NotAppended,
            Ok(ControlReply::ClockSkew { ms }) => Attempt::Final(skew(ms)),
            Ok(ControlReply::Failed { reason }) => {
                tracing::error!(leader = %leader.short(), reason, "the leader refuses this node's batch");
                Attempt::Final(ProposeError::NotLeading)
            }
            Ok(_) | Err(_) => Attempt::Unknown,
        }
    }
}

fn skew(ms: i64) -> ProposeError {
    ProposeError::ClockSkew { detail: format!("this node's clock is {ms} ms ahead of the leader's") }
}
