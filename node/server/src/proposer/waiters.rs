//! Those who wait for one batch: each is answered once, at its deadline at the latest.

use super::Reply;
use symbi_model::{Committed, Outcome, ProposeError};
use tokio::time::Instant;

/// What is known of a batch that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is certainly in no log.
    NotAppended,
    /// It may be in a log.
    Unknown,
}

impl Fate {
    /// What those are told whose deadline passes now.
    pub fn at_deadline(self) -> ProposeError {
        self.refused(ProposeError::NoLeader)
    }

    /// What a refusal means: nothing definite once an earlier attempt may have been appended.
    pub fn refused(self, error: ProposeError) -> ProposeError {
        match self {
            Self::NotAppended => error,
            Self::Unknown => ProposeError::Unknown,
        }
    }
}

/// One who waits.
struct Waiting {
    /// When it stops waiting.
    deadline: Instant,
    /// Where the answer goes; gone once it was given.
    reply: Option<Reply>,
}

/// Those who wait, in the order of the batch's commands.
#[derive(Default)]
pub struct Waiters(Vec<Waiting>);

impl Waiters {
    /// Adds the next.
    pub fn push(&mut self, deadline: Instant, reply: Reply) {
        self.0.push(Waiting { deadline, reply: Some(reply) });
    }

    /// The next deadline of those who still wait; none when nobody does.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter(|waiting| waiting.reply.is_some()).map(|waiting| waiting.deadline).min()
    }

    /// Answers those whose deadline has passed.
    pub fn expire(&mut self, now: Instant, fate: Fate) {
        for waiting in self.0.iter_mut().filter(|waiting| waiting.deadline <= now) {
            if let Some(reply) = waiting.reply.take() {
                let _ = reply.send(Err(fate.at_deadline()));
            }
        }
    }

    /// Answers with the outcomes of the entry at `index`.
    pub fn answer(self, index: u64, outcomes: &[Outcome]) {
        for (position, (waiting, outcome)) in self.0.into_iter().zip(outcomes).enumerate() {
            let position = u32::try_from(position).unwrap_or(u32::MAX);
            if let Some(reply) = waiting.reply {
                let _ = reply.send(Ok(Committed { index, position, outcome: outcome.clone() }));
            }
        }
    }

    /// Answers all with one error.
    pub fn fail(self, error: &ProposeError) {
        for reply in self.0.into_iter().filter_map(|waiting| waiting.reply) {
            let _ = reply.send(Err(error.clone()));
        }
    }
}
