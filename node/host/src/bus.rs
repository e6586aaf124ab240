//! The bus: one way for every message, whoever sends it and wherever its receiver runs.
//!
//! A message passes, in this order: the sender's effect gate and epoch (agents), the policy's `message::ask` or
//! `message::tell` here, the route (the receiver's placement in this node's replicated state, nothing else), then on the
//! receiver's node the sink, the policy's `message::receive`, the mailbox. Its answer comes back the same way: through the
//! receiver's effect gate there and the sink here.
//!
//! Within one node the same steps are taken by the same functions ([`arrival`] is called directly), with the same
//! endings. Left out there is only what protects bytes between nodes: the credentials (this node would vouch to
//! itself for what it holds in memory), the session, the sealing and the signature. Everything that is sent or taken in is in the
//! ledger ([`crate::ledger`]), on whose room both depend.

pub(crate) mod arrival;
pub(crate) mod attestation_check;
mod channel;
mod credentials;
mod establish;
pub(crate) mod inbound;
mod local;
pub(crate) mod outbound;
pub(crate) mod outbound_session;
mod returns;
pub(crate) mod router;
mod send_queue;
mod sender;
pub(crate) mod session_close;

pub(crate) use sender::Sender;

use crate::ending::{Ending, TellStatus};
use crate::host::Host;
use send_queue::Sent;
use serde::de::IgnoredAny;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::{AgentName, Hold};
use symbi_model::ledger::{self, Entry, Fate};
use symbi_model::policy::PermitRef;
use symbi_model::{DecisionId, Epoch, MessageId, NodeId, State};
use symbi_policy::{AgentRef, Ask, Permit, Tell};
use symbi_proto::session::Kind;
use symbi_proto::wire::message::USER_BYTES;
use tokio::time::Instant;

/// The longest payload, as compact JSON.
pub const PAYLOAD_BYTES: usize = 1 << 20;
/// How long an acknowledged `tell` may wait in a mailbox.
pub const TELL_LIFE: Duration = Duration::from_secs(300);
/// No message waits longer than this.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a message is sent when the session is not known where it arrives.
const ATTEMPTS: u32 = 2;
/// Why nothing more is sent or taken in.
const NO_ROOM: &str = "this node's ledger does not keep up";

/// A message before it leaves.
pub(crate) struct Envelope {
    /// Its id.
    pub(crate) message: MessageId,
    /// `Ask` or `Tell`.
    pub(crate) kind: Kind,
    /// The receiver.
    pub(crate) to: AgentName,
    /// Compact JSON.
    pub(crate) payload: Vec<u8>,
    /// When the sender stops waiting.
    pub(crate) deadline: Instant,
    /// The same by this node's wall clock.
    pub(crate) deadline_ms: u64,
    /// What allowed it to leave, once it does.
    pub(crate) decision: Option<DecisionId>,
}

impl Envelope {
    fn new(host: &Host, kind: Kind, to: AgentName, payload: Vec<u8>, within: Duration) -> Self {
        let within = within.min(LONGEST);
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let deadline_ms = (host.ports.wall_ms)().saturating_add(within_ms);
        let deadline = Instant::now() + within;
        Self { message: host.message_id(), kind, to, payload, deadline, deadline_ms, decision: None }
    }

    /// How long its sender still waits.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Where a message goes, by the replicated state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The receiver's node.
    pub(crate) node: NodeId,
    /// The epoch under which it runs there.
    pub(crate) epoch: Epoch,
}

/// Proof that a message may be sent; used up by sending it.
pub(crate) enum SendPermit {
    /// For an `ask`.
    Ask(Permit<Ask>),
    /// For a `tell`.
    Tell(Permit<Tell>),
}

impl SendPermit {
    /// The verdict that the effect is done under, and its policy set.
    fn reference(&self) -> PermitRef {
        match self {
            Self::Ask(permit) => permit.reference(),
            Self::Tell(permit) => permit.reference(),
        }
    }
}

/// What was asked before a message leaves.
pub(crate) struct Cleared {
    /// That it may be sent.
    send_permit: SendPermit,
    /// Where to.
    route: Route,
}

/// Sends `payload` and waits for how it ends.
pub(crate) async fn ask(
    host: &Arc<Host>,
    sender: Sender,
    to: AgentName,
    payload: Vec<u8>,
    within: Duration,
) -> (MessageId, Ending) {
    let envelope = Envelope::new(host, Kind::Ask, to, payload, within);
    (envelope.message, send(host, &sender, envelope).await)
}

/// Sends `payload` and waits until it is in the receiver's mailbox. What has entered here first leaves first, for each
/// pair of incarnations.
pub(crate) async fn tell(
    host: &Arc<Host>,
    sender: Sender,
    to: AgentName,
    payload: Vec<u8>,
    within: Duration,
) -> (MessageId, TellStatus) {
    let envelope = Envelope::new(host, Kind::Tell, to, payload, within);
    (envelope.message, send(host, &sender, envelope).await.into())
}

/// Up to the first wait for another, nothing here waits: that keeps the order of those who call one after the other.
async fn send(host: &Arc<Host>, sender: &Sender, envelope: Envelope) -> Ending {
    let (envelope, cleared) = match clear(host, sender, &envelope) {
        Err(ending) => return ending,
        Ok(cleared) if cleared.route.node == host.options.node => (envelope, cleared),
        Ok(cleared) => match outbound::send(host, sender, envelope, cleared).await {
            Sent::Ended(ending) => return ending,
            Sent::Here(back) => *back,
        },
    };
    local::send(host, sender, envelope, cleared).await
}

/// Everything that is asked before a message leaves.
fn clear(host: &Host, sender: &Sender, envelope: &Envelope) -> Result<Cleared, Ending> {
    check_payload(&envelope.payload)?;
    if sender.user().len() > USER_BYTES {
        return Err(not_delivered("the user's name is too long"));
    }
    if !host.ledger.has_room() {
        return Err(not_delivered(NO_ROOM));
    }
    let state = sender.check(host, envelope.kind)?;
    let Some(agent) = state.agents.get(&envelope.to) else {
        return Err(not_delivered(format!("there is no agent {}", envelope.to)));
    };
    let receiver = AgentRef { name: envelope.to.to_string(), owner: agent.spec.owner.clone() };
    let send_permit = permit(host, &state, sender, envelope, receiver)?;
    Ok(Cleared { send_permit, route: route(&state, &envelope.to)? })
}

fn check_payload(payload: &[u8]) -> Result<(), Ending> {
    if payload.len() > PAYLOAD_BYTES {
        let length = payload.len();
        return Err(not_delivered(format!("its payload has {length} bytes; at most {PAYLOAD_BYTES} are allowed")));
    }
    match serde_json::from_slice::<IgnoredAny>(payload) {
        Ok(_) => Ok(()),
        Err(error) => Err(not_delivered(format!("its payload is not JSON: {error}"))),
    }
}

fn permit(
    host: &Host,
    state: &State,
    sender: &Sender,
    envelope: &Envelope,
    to: AgentRef,
) -> Result<SendPermit, Ending> {
    let from = sender.principal();
    let judged = match envelope.kind {
        Kind::Tell => host.ports.gate.judge(state, Tell { from, to }).map(SendPermit::Tell),
        Kind::Ask | Kind::Answer => host.ports.gate.judge(state, Ask { from, to }).map(SendPermit::Ask),
    };
    judged.map_err(|refusal| denied(host, envelope.message, refusal))
}

/// What becomes of a message that a policy does not allow; the ledger keeps the verdict.
fn denied(host: &Host, message: MessageId, refusal: symbi_policy::Denied) -> Ending {
    let symbi_policy::Denied { decision, reason, .. } = refusal;
    if let Some(verdict) = host.ports.gate.verdict(&decision) {
        let denied = ledger::Denied { decision, message: Some(message), verdict: verdict.encode() };
        host.ledger.record(Entry::Denied(denied));
    }
    Ending::Denied { decision, reason }
}

fn route(state: &State, to: &AgentName) -> Result<Route, Ending> {
    let agent = state.agents.get(to);
    match agent.and_then(|agent| agent.placement) {
        Some(placement) if placement.hold == Hold::Held => Ok(Route { node: placement.node, epoch: placement.epoch }),
        Some(placement) if placement.hold == Hold::Lost => {
            Err(not_delivered(format!("the node of {to} was lost and it is not placed again yet")))
        }
        _ => {
            let status = agent.and_then(|agent| agent.status.as_ref());
            let said = status.map(|status| format!(": it is {}", status.state)).unwrap_or_default();
            Err(not_delivered(format!("{to} is not placed on any node{said}")))
        }
    }
}

/// When a delivery is no longer worth handing over, for a sender that waits until `deadline`.
pub(crate) fn delivery_deadline(kind: Kind, deadline: Instant) -> Instant {
    match kind {
        Kind::Tell => deadline.max(Instant::now() + TELL_LIFE),
        Kind::Ask | Kind::Answer => deadline,
    }
}

/// A short way to say it.
pub(crate) fn not_delivered(reason: impl Into<String>) -> Ending {
    Ending::NotDelivered { reason: reason.into() }
}

/// An ending as the ledger has it.
pub(crate) fn fate(ending: &Ending) -> Fate {
    match ending {
        Ending::Answer(_) => Fate::Taken,
        Ending::Denied { .. } => Fate::Denied,
        Ending::NotDelivered { .. } => Fate::Refused,
        Ending::DeadlineExceeded { .. } => Fate::Expired,
        Ending::OutcomeUnknown => Fate::Unknown,
    }
}
