//! Commands that wait for a batch, in their order.
//!
//! [`Queue::gather`] keeps three rules: (A) what goes together was decided in the same term; (B) a batch has at most
//! [`BATCH_COMMANDS`] commands and [`BATCH_BYTES`] of them, except that a longer command goes alone; (C) the order stays.

use super::{QUEUED_COMMANDS, Reply};
use std::collections::VecDeque;
use std::time::Duration;
use symbi_model::entry::{BATCH_BYTES, COMMAND_BYTES};
use symbi_model::{Item, Proposal, ProposeError};
use tokio::time::Instant;

/// Commands of one batch.
pub const BATCH_COMMANDS: usize = 1024;

/// A command that waits.
pub struct Queued {
    /// What is signed.
    pub item: Item,
    /// The term in which a leader's command was decided.
    pub decided_term: Option<u64>,
    /// When its sender stops waiting.
    pub deadline: Instant,
    /// Where the answer goes.
    pub reply: Reply,
}

impl Queued {
    /// Takes a proposal up at `now`, while gate `open` is; one that is too long or of a later gate is answered, and there is none:
    /// the leader would refuse all that goes with it.
    pub fn new(proposal: Proposal<Reply>, now: Instant, open: u32) -> Option<Self> {
        let Proposal { command, request, permit, decided_term, deadline_ms, reply } = proposal;
        let gate = command.gate();
        if gate > open {
            let _ = reply.send(Err(ProposeError::GateClosed { gate }));
            return None;
        }
        let item = Item::new(request, permit, rand::random(), &command);
        let bytes = item.command.len();
        if bytes > COMMAND_BYTES {
            let _ = reply.send(Err(ProposeError::TooLarge { bytes }));
            return None;
        }
        // A deadline beyond what the clock can tell is none; a day is as good.
        let patience = Duration::from_millis(deadline_ms).min(Duration::from_secs(86_400));
        Some(Self { item, decided_term, deadline: now + patience, reply })
    }

    /// Whether its sender waits no longer.
    fn is_over(&self, now: Instant) -> bool {
        self.deadline <= now || self.reply.is_closed()
    }

    fn fail(self, error: ProposeError) {
        let _ = self.reply.send(Err(error));
    }
}

/// Commands that wait.
#[derive(Default)]
pub struct Queue {
    /// In the order of their arrival.
    waiting: VecDeque<Queued>,
    /// No deadline is earlier. It may be that of a command that is gone, so that gathering need not look at all the others.
    look_at: Option<Instant>,
}

impl Queue {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When [`Queue::expire`] is to be called next.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Adds a command; when [`QUEUED_COMMANDS`] wait already it is refused, as certainly not carried out.
    pub fn push(&mut self, next: Queued) {
        if self.waiting.len() >= QUEUED_COMMANDS {
            return next.fail(ProposeError::Full);
        }
        self.look_at = self.look_at.into_iter().chain([next.deadline]).min();
        self.waiting.push_back(next);
    }

    /// Answers those whose deadline has passed. Their commands were never sent.
    pub fn expire(&mut self, now: Instant) {
        if self.look_at.is_none_or(|look_at| look_at > now) {
            return;
        }
        let (over, waiting): (VecDeque<Queued>, VecDeque<Queued>) =
            self.waiting.drain(..).partition(|queued| queued.is_over(now));
        self.waiting = waiting;
        self.look_at = self.waiting.iter().map(|queued| queued.deadline).min();
        for queued in over {
            queued.fail(ProposeError::NoLeader);
        }
    }

    /// Takes the next batch; empty when nobody waits for anything any more.
    pub fn gather(&mut self, now: Instant) -> Vec<Queued> {
        let (mut batch, mut bytes): (Vec<Queued>, usize) = (Vec::new(), 0);
        while let Some(next) = self.waiting.pop_front() {
            let size = next.item.command.len();
            let full = batch.len() == BATCH_COMMANDS || bytes + size > BATCH_BYTES;
            if next.is_over(now) {
                next.fail(ProposeError::NoLeader);
            } else if batch.first().is_some_and(|first| full || first.decided_term != next.decided_term) {
                self.waiting.push_front(next);
                break;
            } else {
                bytes += size;
                batch.push(next);
            }
        }
        if self.waiting.is_empty() {
            self.look_at = None;
        }
        batch
    }

    /// Answers everybody who waits.
    pub fn refuse(&mut self, error: &ProposeError) {
        self.look_at = None;
        for queued in self.waiting.drain(..) {
            queued.fail(error.clone());
        }
    }
}
