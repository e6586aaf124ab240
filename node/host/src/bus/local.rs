//! The whole way of a message within one node.

use super::arrival::{self, Accepted, Answerer};
use super::{Cleared, Envelope, Sender, delivery_deadline, fate};
use crate::delivery::Content;
use crate::ending::Ending;
use crate::host::Host;
use std::sync::Arc;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{Entry, Fate, Local};
use symbi_model::{DecisionId, Epoch};
use symbi_proto::session::Kind;

/// Sends a message to an agent of this node, and waits for how it ends.
pub(super) async fn send(host: &Arc<Host>, sender: &Sender, envelope: Envelope, cleared: Cleared) -> Ending {
    let Cleared { send_permit, route } = cleared;
    let sent_by = send_permit.reference().decision;
    if let Err(ending) = sender.test(host, envelope.kind, send_permit) {
        return ending;
    }
    let origin = sender.origin();
    let content = Content {
        message: envelope.message,
        kind: envelope.kind,
        from: origin.name_for_agents(),
        payload: envelope.payload,
        deadline: delivery_deadline(envelope.kind, envelope.deadline),
        deadline_ms: envelope.deadline_ms,
    };
    let mut line = line(host, sender, &envelope.to, route.epoch, &content);
    line.sent_by = Some(sent_by);
    match arrival::accept(host, &origin, &envelope.to, route.epoch, content) {
        Err(ending) => {
            line.fate = fate(&ending);
            line.received_by = if let Ending::Denied { decision, .. } = &ending { Some(*decision) } else { None };
            host.ledger.record(Entry::Local(line));
            ending
        }
        Ok(Accepted { receiver, receipt, decision }) => {
            line.received_by = Some(decision);
            let answer = (envelope.kind == Kind::Ask).then(|| answer_to(&line));
            host.ledger.record(Entry::Local(line));
            let ending = receipt.wait(envelope.deadline).await;
            let ending = arrival::accept_answer(host, envelope.kind, &Answerer::of(&receiver), ending);
            if let (Some(answer), Ending::Answer(payload)) = (answer, &ending) {
                host.ledger.record(Entry::Local(Local { bytes: payload.len() as u64, ..answer }));
            }
            ending
        }
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
        bytes: 0,
        deadline_ms: asked.deadline_ms,
        sent_by: None,
        received_by: None,
        fate: Fate::Taken,
    }
}
