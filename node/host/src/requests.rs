//! From the process outwards: an agent's own asks and tells on their way to the bus, and its notes on their way to its log.
//!
//! A tell enters the bus before the next line is read, so that tells leave in the order in which they were written.

use crate::bus::{self, Sender};
use crate::ending::{Ending, TellStatus};
use crate::host::Host;
use crate::instance::Instance;
use futures::poll;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::MessageId;
use symbi_model::agent::AgentName;
use symbi_sandbox::rpc::{CallError, Inbound};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Messages of one agent on their way at once; its output is not read further beyond that.
pub const ON_THEIR_WAY: usize = 512;
/// How long a tell may wait for room in the receiver's mailbox.
const TELL_TIMEOUT: Duration = Duration::from_secs(30);

/// Carries what the agent says until its output ends. Dropping the future drops what is still on its way.
pub(crate) async fn carry(host: Arc<Host>, instance: Arc<Instance>, mut inbound: mpsc::Receiver<Inbound>) {
    let mut under_way = JoinSet::new();
    let ring = host.logs.of(instance.assignment.name());
    while let Some(said) = inbound.recv().await {
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= ON_THEIR_WAY {
            under_way.join_next().await;
        }
        match said {
            Inbound::Ask { to, payload, timeout_ms, reply } => {
                let asked = ask(Arc::clone(&host), Arc::clone(&instance), to, payload, timeout_ms, reply);
                enter(&mut under_way, asked).await;
            }
            Inbound::Tell { to, payload } => {
                enter(&mut under_way, tell(Arc::clone(&host), Arc::clone(&instance), to, payload)).await;
            }
            Inbound::Log { level, text } => ring.push(&level.to_string(), &text),
            Inbound::Broken(reason) => ring.push("host", &format!("ended: {reason}")),
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Polls once here, in order, and leaves the rest to a task.
async fn enter(under_way: &mut JoinSet<()>, sending: impl Future<Output = ()> + Send + 'static) {
    let mut sending = Box::pin(sending);
    if poll!(sending.as_mut()).is_pending() {
        under_way.spawn(sending);
    }
}

async fn ask(
    host: Arc<Host>,
    instance: Arc<Instance>,
    to: String,
    payload: Value,
    timeout_ms: u64,
    reply: oneshot::Sender<Result<Value, CallError>>,
) {
    let result = match to.parse::<AgentName>() {
        Err(error) => Err(CallError::new(CallError::INVALID_PARAMS, error.to_string())),
        Ok(to) => {
            let (payload, within) = (payload.to_string().into_bytes(), Duration::from_millis(timeout_ms));
            let (message, ending) = bus::ask(&host, Sender::Agent(instance), to, payload, within).await;
            for_agent(message, ending)
        }
    };
    // An agent that has ended waits for nothing.
    let _ = reply.send(result);
}

async fn tell(host: Arc<Host>, instance: Arc<Instance>, to: String, payload: Value) {
    let name = instance.assignment.name().clone();
    let complaint = match to.parse::<AgentName>() {
        Err(error) => error.to_string(),
        Ok(receiver) => {
            let payload = payload.to_string().into_bytes();
            match bus::tell(&host, Sender::Agent(instance), receiver, payload, TELL_TIMEOUT).await.1 {
                TellStatus::Delivered => return,
                TellStatus::Denied { decision, reason } => format!("denied by {decision}: {reason}"),
                TellStatus::NotDelivered { reason } => format!("not delivered: {reason}"),
                TellStatus::Unknown => "its outcome is unknown".to_owned(),
            }
        }
    };
    // A notification has no answer: its author finds it in the log.
    host.logs.of(&name).push("host", &format!("tell to {to:?}: {complaint}"));
}

fn for_agent(message: MessageId, ending: Ending) -> Result<Value, CallError> {
    match ending {
        Ending::Answer(payload) => serde_json::from_slice(&payload)
            .map_err(|error| CallError::new(CallError::INTERNAL, format!("the answer is not JSON: {error}"))),
        Ending::Denied { decision, reason } => Err(CallError::denied(decision, &reason)),
        Ending::NotDelivered { reason } => Err(CallError::not_delivered(&reason)),
        Ending::DeadlineExceeded { delivered } => Err(CallError::deadline_exceeded(delivered)),
        Ending::OutcomeUnknown => Err(CallError::outcome_unknown(message)),
    }
}
