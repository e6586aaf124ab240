//! What the receiver's node asks of a message, and the sender's node of its answer: the sink, the policy, the mailbox.

use super::answerer::Answerer;
use super::clearance::{NO_ROOM, denied};
use super::origin::Origin;
use crate::delivery::{Content, Delivery, Receipt};
use crate::ending::{Ending, not_delivered};
use crate::host::Host;
use crate::instance::Instance;
use crate::mailbox::NotTaken;
use crate::observer::Effect;
use std::sync::Arc;
use symbi_model::agent::AgentName;
use symbi_model::{DecisionId, Epoch};
use symbi_policy::{AgentRef, Receive};
use symbi_proto::session::Kind;

/// A message that was taken in.
pub(crate) struct Accepted {
    /// Its receiver.
    pub(crate) receiver: Arc<Instance>,
    /// Brings its ending.
    pub(crate) receipt: Receipt,
    /// What allowed it.
    pub(crate) decision: DecisionId,
}

/// Takes a message in: it is in the mailbox, or in line for it, when this returns. Waits for nothing.
pub(crate) fn accept(
    host: &Host,
    origin: &Origin,
    to: &AgentName,
    epoch: Epoch,
    content: Content,
) -> Result<Accepted, Ending> {
    if !host.ledger.has_room() {
        return Err(not_delivered(NO_ROOM));
    }
    let receiver = host.instances.get(to).ok_or_else(|| not_delivered(format!("{to} is not running")))?;
    if receiver.assignment.epoch != epoch {
        return Err(not_delivered(format!("{to} runs under another epoch by now")));
    }
    let state = host
        .check(&receiver, Effect::Receive)
        .map_err(|refused| not_delivered(format!("the receiver is {refused}")))?;
    if let Origin::Agent { name, epoch, incarnation } = origin {
        host.sink.accept(&state, name, *epoch, *incarnation).map_err(|fenced| not_delivered(fenced.to_string()))?;
    }
    let spec = &receiver.assignment.spec;
    let to = AgentRef { name: spec.name.to_string(), owner: spec.owner.clone() };
    let judged = host.ports.gate.judge(&state, Receive { from: origin.principal(&state), to });
    let permit = judged.map_err(|refusal| denied(host, content.message, refusal))?;
    let decision = permit.reference().decision;
    let (delivery, receipt) = Delivery::new(content, permit);
    match receiver.mailbox.push(delivery) {
        Ok(()) => Ok(Accepted { receiver, receipt, decision }),
        Err(NotTaken::Full) => Err(not_delivered("its mailbox and the line before it are full")),
        Err(NotTaken::Closed) => Err(not_delivered("the receiver has just ended")),
    }
}

/// Takes an ending back to the sender: an answer counts only if no later instance of who gave it is known here.
pub(crate) fn accept_answer(host: &Host, kind: Kind, from: &Answerer, ending: Ending) -> Ending {
    if kind == Kind::Tell || !matches!(ending, Ending::Answer(_)) {
        return ending;
    }
    match host.sink.accept(&host.state(), &from.name, from.epoch, from.incarnation) {
        Ok(()) => ending,
        Err(fenced) => {
            tracing::warn!(agent = %from.name, %fenced, "an answer was refused");
            Ending::OutcomeUnknown
        }
    }
}
