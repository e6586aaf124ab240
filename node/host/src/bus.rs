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

mod answerer;
pub(crate) mod arrival;
mod attestation;
pub(crate) mod attestation_check;
mod channel;
mod clearance;
mod credentials;
pub(crate) mod envelope;
mod establish;
mod hold_up;
pub(crate) mod inbound;
mod local;
mod origin;
mod outbound;
pub(crate) mod outbound_session;
mod return_queue;
mod returns;
mod room;
pub(crate) mod router;
mod send_queue;
pub(crate) mod send_queues;
mod sender;
mod session_close;
pub(crate) mod sessions;

pub(crate) use attestation::run as check_attestations;
pub use envelope::{Behalf, LONGEST, PAYLOAD_BYTES, TELL_LIFE};
pub(crate) use sender::Sender;

use crate::ending::{Ending, TellStatus};
use crate::host::Host;
use clearance::clear;
use envelope::Envelope;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::MessageId;
use symbi_model::agent::AgentName;
use symbi_proto::session::Kind;
use tokio::time::Instant;

/// What is to be sent.
pub(crate) struct Draft {
    /// The receiver.
    pub(crate) to: AgentName,
    /// Compact JSON.
    pub(crate) payload: Vec<u8>,
    /// How long its sender waits.
    pub(crate) within: Duration,
    /// Whose words an agent says with it, if they are not its own.
    pub(crate) behalf: Option<Arc<Behalf>>,
}

/// Sends a message and waits for how it ends.
pub(crate) async fn ask(host: &Arc<Host>, sender: Sender, draft: Draft) -> (MessageId, Ending) {
    let envelope = envelope(host, &sender, Kind::Ask, draft);
    (envelope.message, send(host, &sender, envelope).await)
}

/// Sends a message and waits until it is in the receiver's mailbox. What has entered here first arrives first, for each
/// sender's incarnation and receiver, wherever the receiver runs or moves meanwhile.
pub(crate) async fn tell(host: &Arc<Host>, sender: Sender, draft: Draft) -> (MessageId, TellStatus) {
    let envelope = envelope(host, &sender, Kind::Tell, draft);
    (envelope.message, send(host, &sender, envelope).await.into())
}

fn envelope(host: &Host, sender: &Sender, kind: Kind, draft: Draft) -> Envelope {
    let Draft { to, payload, within, behalf } = draft;
    let within = within.min(LONGEST);
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    Envelope {
        message: host.message_id(),
        kind,
        user: sender.user().to_owned(),
        behalf,
        to,
        payload,
        deadline: Instant::now() + within,
        deadline_ms: (host.ports.wall_ms)().saturating_add(within_ms),
        decision: None,
        on_behalf: None,
    }
}

/// Up to the first wait for another, nothing here waits: that keeps the order of those who call one after the other. A
/// message to an agent of this node goes to it at once, unless others to the same receiver have not left yet, or may come
/// back from where it ran before: then it is behind them.
async fn send(host: &Arc<Host>, sender: &Sender, envelope: Envelope) -> Ending {
    let cleared = match clear(host, sender, &envelope) {
        Err(ending) => return ending,
        Ok(cleared) => cleared,
    };
    let is_here = cleared.route.node == host.options.node;
    if !is_here || !sender.send_queues(host).is_idle(&envelope.to) {
        return outbound::send(host, sender, envelope, cleared).await;
    }
    match local::enter(host, sender, envelope, cleared) {
        Err(ending) => ending,
        Ok(entered) => entered.ended(host).await,
    }
}
