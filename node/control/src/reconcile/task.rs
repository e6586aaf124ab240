//! What is asked of others and takes time: each is a task that ends with a [`Done`].

use super::{Change, ChangeRequest, ConfirmLead, Proposals};
use crate::grants::{Event, Verdict};
use std::time::Duration;
use symbi_model::ledger::Anchor;
use symbi_model::{Command, Committed, NodeId, Outcome, Proposal, ProposeError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How a task ended.
#[derive(Debug)]
pub(super) enum Done {
    /// A confirmation round, or a node's fall or rise: what the grants wait for.
    Grants(Event),
    /// A portion of a placement plan.
    Placed {
        /// How many placements were asked for.
        asked: usize,
        /// How many were done.
        done: usize,
    },
    /// A seal of the audit chain, whatever came of it.
    Sealed,
    /// A command of anchors, whatever came of it.
    Anchored,
    /// A change of the group, or what was proposed of joins and voters.
    Stepped {
        /// How.
        end: End,
    },
}

/// How a membership step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Done,
    /// It was refused, or its fate is open.
    Failed,
    /// So did a promotion.
    PromotionFailed,
}

/// How leader's commands are proposed.
#[derive(Clone)]
pub(super) struct Proposer {
    /// Where to.
    pub(super) proposals: Proposals,
    /// The term in which they were decided.
    pub(super) term: u64,
    /// How long to wait.
    pub(super) deadline: Duration,
}

impl Proposer {
    /// Proposes one command.
    async fn propose(&self, command: Command) -> Result<Committed, ProposeError> {
        let answer = self.send(command).await?;
        self.outcome(answer).await
    }

    /// Puts a command on its way: what is sent earlier is proposed earlier.
    async fn send(&self, command: Command) -> Result<oneshot::Receiver<Result<Committed, ProposeError>>, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let proposal = Proposal {
            command,
            request: None,
            permit: None,
            decided_term: Some(self.term),
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            reply,
        };
        self.proposals.send(proposal).await.map_err(|_| ProposeError::Stopping)?;
        Ok(answer)
    }

    async fn outcome(
        &self,
        answer: oneshot::Receiver<Result<Committed, ProposeError>>,
    ) -> Result<Committed, ProposeError> {
        // Whoever carries it out keeps the deadline too; this is for one who forgets to answer.
        let patience = self.deadline + Duration::from_secs(1);
        timeout(patience, answer).await.ok().and_then(Result::ok).unwrap_or(Err(ProposeError::Unknown))
    }
}

/// A round that confirms that this node leads.
pub(super) async fn confirm(port: mpsc::Sender<ConfirmLead>, round: u64, deadline: Duration) -> Done {
    let ask = async {
        let (reply, answer) = oneshot::channel();
        port.send(ConfirmLead { reply }).await.ok()?;
        answer.await.ok().flatten()
    };
    Done::Grants(Event::Confirmed { round, result: timeout(deadline, ask).await.ok().flatten() })
}

/// `NodeDown` or `NodeUp`.
pub(super) async fn settle(proposer: Proposer, node: NodeId, verdict: Verdict) -> Done {
    let command = match verdict {
        Verdict::Down => Command::NodeDown { node },
        Verdict::Up => Command::NodeUp { node },
    };
    let result = proposer.propose(command).await;
    tracing::info!(node = %node.short(), ?verdict, ?result, "a node's liveness was proposed");
    let outcome = result.ok().map(|committed| (committed.index, committed.outcome == Outcome::Done));
    Done::Grants(Event::Settled { node, verdict, outcome })
}

/// A portion of a placement plan: all on their way at once, then all awaited.
pub(super) async fn place(proposer: Proposer, commands: Vec<Command>) -> Done {
    let asked = commands.len();
    let mut answers = Vec::with_capacity(asked);
    for command in commands {
        match proposer.send(command).await {
            Ok(answer) => answers.push(answer),
            Err(_) => break,
        }
    }
    let mut done = 0;
    for answer in answers {
        match proposer.outcome(answer).await {
            Ok(Committed { outcome: Outcome::Placed { .. }, .. }) => done += 1,
            // Somebody was faster, or the room is gone: the next look sees it.
            Ok(committed) => tracing::debug!(outcome = ?committed.outcome, "a placement was refused"),
            Err(ProposeError::NotLeading) => break,
            Err(error) => tracing::debug!(%error, "a placement's fate is open"),
        }
    }
    Done::Placed { asked, done }
}

/// A seal of the audit chain.
pub(super) async fn seal(proposer: Proposer) -> Done {
    let result = proposer.propose(Command::Seal).await;
    tracing::debug!(?result, "a seal of the audit chain was proposed");
    Done::Sealed
}

/// How far ledgers have come.
pub(super) async fn anchor(proposer: Proposer, anchors: Vec<Anchor>) -> Done {
    let result = proposer.propose(Command::Anchor { anchors }).await;
    tracing::debug!(?result, "anchors of ledgers were proposed");
    Done::Anchored
}

/// The end of a join, or what the audit chain is to say of voters.
pub(super) async fn finish(proposer: Proposer, command: Command) -> Done {
    let kind = command.kind();
    let result = proposer.propose(command).await;
    tracing::info!(%kind, ?result, "a step of membership was proposed");
    let done = matches!(&result, Ok(committed) if committed.outcome == Outcome::Done);
    Done::Stepped { end: if done { End::Done } else { End::Failed } }
}

/// A change of the group.
pub(super) async fn change(port: mpsc::Sender<ChangeRequest>, change: Change, deadline: Duration) -> Done {
    let promotion = matches!(change, Change::Promote(_));
    let text = format!("{change:?}");
    let ask = async {
        let (reply, answer) = oneshot::channel();
        port.send(ChangeRequest { change, reply }).await.map_err(|_| "the node is stopping".to_owned())?;
        answer.await.unwrap_or_else(|_| Err("nobody answered".to_owned()))
    };
    let result = timeout(deadline, ask).await.unwrap_or_else(|_| Err("the deadline passed".to_owned()));
    tracing::info!(change = text, ?result, "a change of the group was asked for");
    let end = match result {
        Ok(()) => End::Done,
        Err(_) if promotion => End::PromotionFailed,
        Err(_) => End::Failed,
    };
    Done::Stepped { end }
}
