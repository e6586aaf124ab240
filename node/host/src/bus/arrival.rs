//! What the receiver's node asks of a message, and the sender's node of its answer: the sink, the policy, the mailbox.

use super::{NO_ROOM, denied, not_delivered};
use crate::delivery::{Content, Delivery, Receipt};
use crate::ending::Ending;
use crate::host::Host;
use crate::instance::Instance;
use crate::mailbox::NotTaken;
use crate::observer::Effect;
use std::sync::Arc;
use symbi_model::agent::AgentName;
use symbi_model::{DecisionId, Epoch, Incarnation, State};
use symbi_policy::{AgentRef, Principal, Receive};
use symbi_proto::session::Kind;

/// A sender, as its credential or this node itself vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An agent.
    Agent {
        /// Its name.
        name: AgentName,
        /// Its epoch.
        epoch: Epoch,
        /// Which start of it.
        incarnation: Incarnation,
    },
    /// A node's gateway.
    Gateway {
        /// For whom it speaks, as that node says.
        user: String,
    },
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answerer {
    /// The agent.
    pub(crate) name: AgentName,
    /// Its epoch.
    pub(crate) epoch: Epoch,
    /// Which start of it.
    pub(crate) incarnation: Incarnation,
}

impl Answerer {
    /// An incarnation that runs here.
    pub(crate) fn of(instance: &Instance) -> Self {
        let (name, epoch) = (instance.assignment.name().clone(), instance.assignment.epoch);
        Self { name, epoch, incarnation: instance.incarnation }
    }
}

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

impl Origin {
    /// How the receiver's program is told of it.
    pub(crate) fn name_for_agents(&self) -> String {
        match self {
            Self::Gateway { user } => format!("user:{user}"),
            Self::Agent { name, .. } => name.to_string(),
        }
    }

    /// For whom the policy judges.
    fn principal(&self, state: &State) -> Principal {
        match self {
            Self::Gateway { user } => Principal::User(user.clone()),
            Self::Agent { name, .. } => {
                let owner = state.agents.get(name).map(|agent| agent.spec.owner.clone()).unwrap_or_default();
                Principal::Agent(AgentRef { name: name.to_string(), owner })
            }
        }
    }
}
