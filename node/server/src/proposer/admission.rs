//! What a leader checks before it takes a batch, its own included: its clock first, then the batch's origin and time.
//!
//! The clock: answers from a majority of voters (its own counts) must put it within [`MAX_OFFSET_MS`] of their median.
//! Until they do, and log time has come near it, nothing is taken; when it drifts out, leadership is handed over. The origin:
//! a member, the node that sent it, with its signature (which this node's own batches need not show to itself); a leader's
//! commands come from this node alone. The commands: every replica must be able to read each, or the log takes all of them for
//! garbage. The time: at most 2 s ahead of the leader's clock and at most 90 s behind it (a repetition keeps its first time).

#[cfg(test)]
mod tests;

use super::in_flight::{ATTEMPT, InFlight};
use super::log_time;
use super::successor::successor;
use crate::clock::WallMs;
use ed25519_dalek::SigningKey;
use futures::FutureExt;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::codec;
use symbi_model::entry::{AHEAD_MS, BEHIND_MS};
use symbi_model::node::Membership;
use symbi_model::{Batch, ClusterId, GroupId, NodeId, State, gate};
use symbi_proto::wire::{ControlReply, ControlRequest};
use symbi_raft::{BatchApplied, Role, WriteError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How far the leader's clock may be from the voters' median, ms.
const MAX_OFFSET_MS: i64 = 2_000;
/// How often the leader compares clocks.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// How long a voter has to tell its time.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The leader's check of what is proposed.
#[derive(Clone)]
pub struct Admission {
    /// This node.
    node: NodeId,
    /// The group.
    group: GroupId,
    /// The leader's clock.
    wall_ms: WallMs,
    /// The replicated state.
    state: watch::Receiver<State>,
    /// The term in which this node's clock was found good; 0 while it is not.
    good_in_term: watch::Receiver<u64>,
    /// Whether this node leads, and in which term.
    status: watch::Receiver<symbi_raft::Status>,
    /// Forwarded batches that were admitted.
    in_flight: InFlight,
}

/// Why a batch is not taken.
#[derive(Debug)]
pub enum AdmissionError {
    /// The clock is not yet compared in this term, or the log of the terms before it not yet applied: ask again.
    NotYet,
    /// It will never be taken: its time is this many ms ahead of the leader's clock (behind, if negative).
    Refused(i64),
    /// It or a command of it cannot be read or is of a gate that is not open, its origin is not a member or not who sent it, or
    /// it has a leader's commands and this node did not decide them.
    Foreign,
}

impl Admission {
    /// Checks an encoded batch that comes from `from`; waits for a comparison that is on its way.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn admit(&self, from: NodeId, bytes: &[u8]) -> Result<(), AdmissionError> {
        self.compared().await?;
        let batch = codec::decode_batch(bytes).map_err(|_| AdmissionError::Foreign)?;
        self.readable(from, &batch)?;
        self.timely(batch.time_ms)?;
        let cluster = self.members(&batch.origin)?;
        // What this node has just signed itself each replica still verifies.
        if from == self.node || batch.verify(cluster, self.group) { Ok(()) } else { Err(AdmissionError::Foreign) }
    }

    /// Proposes a forwarded batch that was admitted; one that is on its way already is awaited instead. After [`ATTEMPT`]
    /// its fate is unknown.
    ///
    /// # Errors
    /// As [`symbi_raft::Handle::propose`].
    pub async fn propose(&self, raft: &symbi_raft::Handle, batch: Vec<u8>) -> Result<BatchApplied, WriteError> {
        let (term, raft) = (self.status.borrow().term, raft.clone());
        let propose = |batch| async move { raft.propose(batch).await }.boxed();
        self.in_flight.join_or_propose(term, batch, ATTEMPT, propose).await
    }

    /// Waits until the clock was compared in this term.
    async fn compared(&self) -> Result<(), AdmissionError> {
        let term = self.status.borrow().term;
        let mut good = self.good_in_term.clone();
        let compared = tokio::time::timeout(2 * ANSWER_WITHIN, good.wait_for(|good| *good >= term)).await;
        if matches!(compared, Ok(Ok(_))) { Ok(()) } else { Err(AdmissionError::NotYet) }
    }

    fn timely(&self, time_ms: u64) -> Result<(), AdmissionError> {
        let ahead_ms = time_ms.cast_signed().saturating_sub((self.wall_ms)().cast_signed());
        let timely = -BEHIND_MS.cast_signed()..=AHEAD_MS.cast_signed();
        if timely.contains(&ahead_ms) { Ok(()) } else { Err(AdmissionError::Refused(ahead_ms)) }
    }

    fn readable(&self, from: NodeId, batch: &Batch) -> Result<(), AdmissionError> {
        let mut leaders = batch.decided_term.is_some();
        let gate = self.state.borrow().counters.gate.max(gate::FIRST);
        for item in &batch.items {
            let command = codec::decode_command(&item.command).map_err(|_| AdmissionError::Foreign)?;
            if command.gate() > gate {
                return Err(self.unopened());
            }
            leaders |= command.is_leaders();
        }
        if batch.acts > gate::acts(gate) {
            return Err(self.unopened());
        }
        let foreign = batch.origin != from || batch.items.is_empty() || (leaders && from != self.node);
        if foreign { Err(AdmissionError::Foreign) } else { Ok(()) }
    }

    /// What is of a gate that is not open here; a new leader may not have applied yet what opened it.
    fn unopened(&self) -> AdmissionError {
        match self.status.borrow().first_index_of_term {
            Some(_) => AdmissionError::Foreign,
            None => AdmissionError::NotYet,
        }
    }

    /// The cluster, if `origin` is a member of it.
    fn members(&self, origin: &NodeId) -> Result<ClusterId, AdmissionError> {
        let (cluster, membership) = {
            let state = self.state.borrow();
            let membership = state.nodes.get(origin).map(|node| node.membership);
            (state.cluster.as_ref().map(|cluster| cluster.id), membership)
        };
        match (cluster, membership) {
            (Some(cluster), Some(Membership::Joining | Membership::Member)) => Ok(cluster),
            // A new leader may not have applied yet what made the origin a member.
            (_, None) if self.status.borrow().first_index_of_term.is_none() => Err(AdmissionError::NotYet),
            _ => Err(AdmissionError::Foreign),
        }
    }
}

/// Compares the leader's clock with the voters'.
pub struct Clocks {
    /// This node.
    node: NodeId,
    /// Its key.
    key: Arc<SigningKey>,
    /// Its clock.
    wall_ms: WallMs,
    /// The group.
    raft: symbi_raft::Handle,
    /// The way to the voters.
    net: symbi_net::Handle,
    /// The term in which the clock was found good.
    good_in_term: watch::Sender<u64>,
}

impl Clocks {
    /// The comparison, and the admission that waits for it.
    #[must_use]
    pub fn new(
        key: Arc<SigningKey>,
        wall_ms: WallMs,
        raft: symbi_raft::Handle,
        net: symbi_net::Handle,
    ) -> (Self, Admission) {
        let (good_in_term, good) = watch::channel(0);
        let (state, status) = (raft.state(), raft.status());
        let (node, group, in_flight) = (raft.node(), raft.group(), InFlight::default());
        let admission =
            Admission { node, group, wall_ms: wall_ms.clone(), state, good_in_term: good, status, in_flight };
        (Self { node, key, wall_ms, raft, net, good_in_term }, admission)
    }

    /// Compares at each new leadership and every five seconds of it.
    pub async fn run(self, cancel: CancellationToken) {
        let mut status = self.raft.status();
        loop {
            let (leads, term) = {
                let status = status.borrow_and_update();
                (status.role == Role::Leader, status.term)
            };
            let pause = if leads { self.round(term).await } else { COMPARE_EVERY };
            let changed = async {
                while status.changed().await.is_ok() {
                    let now = status.borrow_and_update();
                    if (now.role == Role::Leader) != leads || now.term != term {
                        return true;
                    }
                }
                false
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                // A replica that has stopped says nothing more: without an end here this would go round without a pause.
                again = changed => if !again { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One comparison; answers when to make the next.
    async fn round(&self, term: u64) -> Duration {
        // A set: while a change is joint a voter may stand in both halves, and counts once.
        let voters: BTreeSet<NodeId> = self.raft.status().borrow().voters.iter().flatten().copied().collect();
        let others = voters.iter().filter(|voter| **voter != self.node);
        let mut answers: FuturesUnordered<_> = others.map(|voter| self.offset(*voter)).collect();
        let mut offsets = vec![0];
        while 2 * offsets.len() <= voters.len() {
            match answers.next().await {
                Some(answer) => offsets.extend(answer),
                None => return Duration::from_millis(100),
            }
        }
        offsets.sort_unstable();
        let median = offsets[offsets.len() / 2];
        if median.abs() <= MAX_OFFSET_MS {
            if !log_time::catch_up(&self.raft, &self.key, &self.wall_ms).await {
                return Duration::from_millis(100);
            }
            self.good_in_term.send_replace(term);
            return COMPARE_EVERY;
        }
        tracing::error!(offset_ms = median, "this leader's clock is off the voters' median: handing leadership over");
        self.good_in_term.send_replace(0);
        let (status, connections) = (self.raft.status().borrow().clone(), self.net.connections());
        let other = successor(&status, self.node, |voter| connections.borrow().contains_key(voter));
        if let Some(other) = other {
            self.raft.transfer_leader(other).await;
        }
        COMPARE_EVERY
    }

    /// How far a voter's clock is ahead of this one, ms; half the round trip is taken off.
    async fn offset(&self, voter: NodeId) -> Option<i64> {
        let before = (self.wall_ms)();
        let answer = crate::wiring::call::control(&self.net, voter, &ControlRequest::Clock, ANSWER_WITHIN).await;
        let after = (self.wall_ms)();
        let Ok(ControlReply::Clock { wall_ms }) = answer else { return None };
        Some(wall_ms.cast_signed() - u64::midpoint(before, after).cast_signed())
    }
}
