//! The whole way of a message within one node.

use super::answerer::Answerer;
use super::arrival::{self, Accepted};
use super::envelope::{Cleared, Envelope, delivery_deadline};
use super::sender::Sender;
use crate::delivery::{Content, Receipt};
use crate::ending::{Ending, fate};
use crate::host::Host;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{Entry, Fate, Local};
use symbi_model::{DecisionId, Epoch};
use symbi_proto::session::Kind;
use tokio::time::Instant;

/// A message that is in the mailbox of an agent of this node, or in line for it.
pub(super) struct Entered {
    /// Who answers it.
    receiver: Answerer,
    /// Brings its ending.
    receipt: Receipt,
    /// `Ask` or `Tell`.
    kind: Kind,
    /// How long its sender waits.
    deadline: Instant,
    /// Its answer as the ledger has it, but for its length; none for a tell.
    answer: Option<Local>,
}

/// Hands a message to an agent of this node. Waits for nothing.
pub(super) fn enter(host: &Host, sender: &Sender, envelope: Envelope, cleared: Cleared) -> Result<Entered, Ending> {
    let Cleared { permit, on_behalf, route } = cleared;
    let Envelope { message, kind, to, payload, deadline, deadline_ms, .. } = envelope;
    let sent_by = permit.reference().decision;
    sender.test(host, kind, permit)?;
    let origin = sender.origin();
    let from = origin.name_for_agents();
    let content = Content { message, kind, from, payload, deadline: delivery_deadline(kind, deadline), deadline_ms };
    let mut line = line(host, sender, &to, route.epoch, &content);
    (line.sent_by, line.on_behalf) = (Some(sent_by), on_behalf);
    match arrival::accept(host, &origin, &to, route.epoch, content) {
        Err(ending) => {
            line.fate = fate(&ending);
            line.received_by = if let Ending::Denied { decision, .. } = &ending { Some(*decision) } else { None };
            host.ledger.record(Entry::Local(line));
            Err(ending)
        }
        Ok(Accepted { receiver, receipt, decision }) => {
            line.received_by = Some(decision);
            let answer = (kind == Kind::Ask).then(|| answer_to(&line));
            host.ledger.record(Entry::Local(line));
            let (name, epoch) = (receiver.assignment.name().clone(), receiver.assignment.epoch);
            let receiver = Answerer { name, epoch, incarnation: receiver.incarnation };
            Ok(Entered { receiver, receipt, kind, deadline, answer })
        }
    }
}

impl Entered {
    /// Waits for how it ends.
    pub(super) async fn ended(self, host: &Host) -> Ending {
        let Self { receiver, receipt, kind, deadline, answer } = self;
        let ending = receipt.wait(deadline).await;
        let ending = arrival::accept_answer(host, kind, &receiver, ending);
        if let (Some(answer), Ending::Answer(payload)) = (answer, &ending) {
            host.ledger.record(Entry::Local(Local { bytes: payload.len() as u64, ..answer }));
        }
        ending
    }
}

/// A message as the ledger has it, taken in.
fn line(host: &Host, sender: &Sender, to: &AgentName, receiver_epoch: Epoch, content: &Content) -> Local {
    let (name, sender_epoch) = sender.named(host);
    Local {
        message: content.message,
        kind: content.kind,
        sender: name,
        receiver: to.to_string(),
        sender_epoch,
        receiver_epoch,
        user: sender.user().to_owned(),
        on_behalf: None,
        bytes: content.payload.len() as u64,
        deadline_ms: content.deadline_ms,
        sent_by: None::<DecisionId>,
        received_by: None,
        fate: Fate::Taken,
    }
}

/// The answer to a message, as the ledger has it.
fn answer_to(asked: &Local) -> Local {
    Local {
        message: asked.message,
        kind: Kind::Answer,
        sender: asked.receiver.clone(),
        receiver: asked.sender.clone(),
        sender_epoch: asked.receiver_epoch,
        receiver_epoch: asked.sender_epoch,
        user: String::new(),
        on_behalf: None,
        bytes: 0,
        deadline_ms: asked.deadline_ms,
        sent_by: None,
        received_by: None,
        fate: Fate::Taken,
    }
}
