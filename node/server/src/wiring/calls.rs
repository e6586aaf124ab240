//! The HTTP interface's calls, answered: from this node's parts, or by the node that can.

use crate::wiring::remote::Remote;
use crate::wiring::shares::Shares;
use crate::wiring::{call, decisions, ledgers};
use ed25519_dalek::{Signer, SigningKey};
use std::sync::Arc;
use std::time::Duration;
use symbi_api::Error;
use symbi_api::ports::{AuditLine, Call, Message, Place, Speaker};
use symbi_host::{Behalf, Caller, Ending, NotHere, TellStatus};
use symbi_model::agent::{AgentName, Hold};
use symbi_model::{DecisionId, MessageId, NodeId};
use symbi_policy::Account;
use symbi_proto::session::Kind;
use symbi_proto::wire::{ControlReply, ControlRequest, LogTail};
use symbi_raft::{AuditPosition, AuditRow};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long another node has to explain something.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the way to another node and back may add to a message's own time.
const MARGIN: Duration = Duration::from_secs(2);

/// What answers.
#[derive(Clone)]
pub struct Answers {
    /// The way to others.
    pub remote: Remote,
    /// Agents and messages.
    pub host: symbi_host::Handle,
    /// This node's verdicts.
    pub gate: symbi_policy::Gate,
    /// This node's key.
    pub key: Arc<SigningKey>,
    /// The bench.
    pub bench: crate::bench::Bench,
    /// What users have on their way.
    pub shares: Shares,
}

impl Answers {
    /// Answers until `cancel`; a task a call, bounded by the interface's connections.
    pub async fn run(self, mut asked: mpsc::Receiver<Call>, tasks: TaskTracker, cancel: CancellationToken) {
        while let Some(Some(call)) = cancel.run_until_cancelled(asked.recv()).await {
            let answers = self.clone();
            tasks.spawn(async move { answers.answer(call).await });
        }
    }

    async fn answer(self, call: Call) {
        match call {
            Call::ReadIndex(reply) => drop(reply.send(self.remote.read_index().await)),
            Call::Ask(message, reply) => drop(reply.send(self.message(Kind::Ask, message).await)),
            Call::Tell(message, reply) => {
                let told = self.message(Kind::Tell, message).await;
                drop(reply.send(told.map(|(id, ending)| (id, ending.into()))));
            }
            Call::Decision(id, reply) => drop(reply.send(self.decision(id).await)),
            Call::Decisions(low, high, reply) => {
                let found = decisions::find(&self.remote, &self.gate, &self.host.ledger(), low, high).await;
                drop(reply.send(found));
            }
            Call::Logs(agent, lines, reply) => drop(reply.send(self.logs(&agent, lines).await)),
            Call::Audit(from, limit, reply) => {
                // It reads the disk.
                let read = tokio::task::spawn_blocking(move || self.audit(from, limit)).await;
                drop(reply.send(read.unwrap_or_else(|error| Err(Error::Internal(error.to_string())))));
            }
            Call::SignBundle(bytes, reply) => drop(reply.send(self.key.sign(&bytes).to_bytes())),
            Call::Bench(order, mut reply) => {
                let found = self.bench.run(order, reply.closed()).await;
                drop(reply.send(found));
            }
            Call::BenchProvision(order, reply) => drop(reply.send(self.bench.provision(order).await)),
            Call::BenchTeardown(user, reply) => drop(reply.send(self.bench.teardown(user).await)),
            Call::Message(prefix, reply) => {
                drop(reply.send(ledgers::find(&self.remote, &self.host.ledger(), &prefix).await));
            }
            Call::Ledger(node, from, reply) => {
                drop(reply.send(ledgers::lines(&self.remote, &self.host.ledger(), node, from).await));
            }
            Call::WhyAgent(agent, reply) => drop(reply.send(self.remote.why(&agent).await)),
        }
    }

    /// Sends a message, from the node that holds the speaking agent. It is refused if its user has its share on the way already.
    async fn message(&self, kind: Kind, message: Message) -> Result<(MessageId, Ending), Error> {
        let Message { from, to, payload, timeout } = message;
        let user = match &from {
            Speaker::User(user) | Speaker::OnBehalf { user, .. } => user.as_str(),
        };
        let _share = self.shares.take(user, payload.len()).map_err(|busy| Error::Busy(busy.to_string()))?;
        Ok(match from {
            Speaker::User(user) => self.speak(Caller::Gateway { user }, kind, to, payload, timeout).await,
            Speaker::OnBehalf { agent, user, permit } => match self.holder(&agent) {
                Some(node) if node != self.remote.node => {
                    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                    let request = ControlRequest::AskFrom { from: agent, to, kind, payload, timeout_ms, user, permit };
                    self.forwarded(node, &request, timeout).await
                }
                _ => {
                    tracing::info!(from = %agent, %to, user, "an agent speaks on behalf of a user");
                    let behalf = Behalf { user, member: self.remote.node, permit };
                    self.speak(Caller::OnBehalf { agent, behalf }, kind, to, payload, timeout).await
                }
            },
        })
    }

    async fn speak(
        &self,
        caller: Caller,
        kind: Kind,
        to: AgentName,
        payload: Vec<u8>,
        timeout: Duration,
    ) -> (MessageId, Ending) {
        match speak(&self.host, caller, kind, to, payload, timeout).await {
            Ok(ended) => ended,
            Err(not_here) => (nobody(), Ending::NotDelivered { reason: not_here.to_string() }),
        }
    }

    async fn forwarded(&self, node: NodeId, request: &ControlRequest, timeout: Duration) -> (MessageId, Ending) {
        match call::control(&self.remote.net, node, request, timeout + MARGIN).await {
            Ok(ControlReply::Ended { message, ending }) => (message, ending),
            Ok(ControlReply::Failed { reason }) => (nobody(), Ending::NotDelivered { reason }),
            Err(error) if error.is_unsent() => (nobody(), Ending::NotDelivered { reason: error.to_string() }),
            _ => (nobody(), Ending::OutcomeUnknown),
        }
    }

    /// The node that holds an agent.
    fn holder(&self, agent: &AgentName) -> Option<NodeId> {
        let state = self.remote.raft.state();
        let state = state.borrow();
        let placement = state.agents.get(agent)?.placement?;
        (placement.hold == Hold::Held).then_some(placement.node)
    }

    async fn decision(&self, id: DecisionId) -> Result<Option<Account>, String> {
        let state = self.remote.raft.state().borrow().clone();
        let judge = state.nodes.iter().find(|(node, _)| node.0.starts_with(&id.node));
        let Some((judge, record)) = judge else { return Ok(None) };
        let account = if *judge == self.remote.node {
            decisions::account(&state, &self.gate, &self.host.ledger(), id).await
        } else {
            let request = ControlRequest::Decision { id };
            decisions::told(call::control(&self.remote.net, *judge, &request, PATIENCE).await)
        };
        account.map_err(|reason| format!("node {} made this decision but cannot explain it: {reason}", record.name))
    }

    async fn logs(&self, agent: &AgentName, lines: u32) -> Result<Option<Vec<String>>, String> {
        match self.holder(agent) {
            Some(node) if node != self.remote.node => {
                let request = ControlRequest::Logs { agent: agent.clone(), lines };
                match call::control(&self.remote.net, node, &request, PATIENCE).await {
                    Ok(ControlReply::Logs(tail)) => Ok(tail.map(LogTail::told)),
                    _ => Err(format!("node {}, where {agent} runs, does not answer", node.short())),
                }
            }
            _ => Ok(self.host.logs(agent, lines as usize)),
        }
    }

    fn audit(&self, from: Place, limit: usize) -> Result<Vec<AuditLine>, Error> {
        let from = AuditPosition { index: from.index, line: from.line };
        let rows = self.remote.raft.audit(from, limit).map_err(|error| match error {
            symbi_raft::Error::Incomplete { from, upto } => Error::Incomplete { from, upto },
            other => Error::Internal(other.to_string()),
        })?;
        Ok(rows
            .into_iter()
            .map(|row| match row {
                AuditRow::Batch(line) => AuditLine::Batch(line),
                AuditRow::Record(record) => AuditLine::Record(record),
            })
            .collect())
    }
}

/// The id of a message that was never made.
fn nobody() -> MessageId {
    MessageId(symbi_api::keys::uuid_v7(crate::clock::wall_ms()))
}

/// Sends a message of either kind; a `tell` that arrived ends as an empty answer.
///
/// # Errors
/// When the sending agent does not run here.
pub async fn speak(
    host: &symbi_host::Handle,
    caller: Caller,
    kind: Kind,
    to: AgentName,
    payload: Vec<u8>,
    timeout: Duration,
) -> Result<(MessageId, Ending), NotHere> {
    if kind != Kind::Tell {
        return host.ask(caller, to, payload, timeout).await;
    }
    let (id, status) = host.tell(caller, to, payload, timeout).await?;
    let ending = match status {
        TellStatus::Delivered => Ending::Answer(Vec::new()),
        TellStatus::Denied { decision, reason } => Ending::Denied { decision, reason },
        TellStatus::NotDelivered { reason } => Ending::NotDelivered { reason },
        TellStatus::Unknown => Ending::OutcomeUnknown,
    };
    Ok((id, ending))
}
