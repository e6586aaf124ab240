//! The whole way of a message within one node.

use super::arrival::{self, Accepted, Answerer};
use super::{Cleared, Parcel, Sender, fate, letter_deadline};
use crate::ending::Ending;
use crate::host::Host;
use crate::letter::Content;
use std::sync::Arc;
use symbi_model::agent::AgentName;
use symbi_model::ledger::{Entry, Fate, Local};
use symbi_model::{DecisionId, Epoch};
use symbi_proto::session::Kind;

/// Sends a message to an agent of this node, and waits for how it ends.
pub(super) async fn send(host: &Arc<Host>, sender: &Sender, parcel: Parcel, cleared: Cleared) -> Ending {
    let Cleared { sanction, route } = cleared;
    let sent_by = sanction.reference().decision;
    if let Err(ending) = sender.test(host, parcel.kind, sanction) {
        return ending;
    }
    let origin = sender.origin();
    let content = Content {
        message: parcel.message,
        kind: parcel.kind,
        from: origin.name_for_agents(),
        payload: parcel.payload,
        deadline: letter_deadline(parcel.kind, parcel.deadline),
        deadline_ms: parcel.deadline_ms,
    };
    let mut line = line(host, sender, &parcel.to, route.epoch, &content);
    line.sent_by = Some(sent_by);
    match arrival::accept(host, &origin, &parcel.to, route.epoch, content) {
        Err(ending) => {
            line.fate = fate(&ending);
            line.received_by = if let Ending::Denied { decision, .. } = &ending { Some(*decision) } else { None };
            host.ledger.record(Entry::Local(line));
            ending
        }
        Ok(Accepted { receiver, receipt, decision }) => {
            line.received_by = Some(decision);
            let answer = (parcel.kind == Kind::Ask).then(|| answer_to(&line));
            host.ledger.record(Entry::Local(line));
            let ending = receipt.wait(parcel.deadline).await;
            let ending = arrival::accept_answer(host, parcel.kind, &Answerer::of(&receiver), ending);
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
