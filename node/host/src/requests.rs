//! From the process outwards: an agent's own asks and tells on their way to the bus, and its notes on their way to its log.
//!
//! A tell enters the bus before the next line is read, so that tells leave in the order in which they were written.
//! An agent that writes faster than its messages leave is not read further.

use crate::bus::{self, Draft, Sender};
use crate::ending::{Ending, TellStatus};
use crate::host::Host;
use crate::instance::Instance;
use futures::{FutureExt, poll};
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
/// And their bytes.
pub const BYTES_ON_THEIR_WAY: usize = 16 << 20;
/// How long a tell may wait for room in the receiver's mailbox.
const TELL_TIMEOUT: Duration = Duration::from_secs(30);

/// Carries what the agent says until its output ends. Dropping the future drops what is still on its way.
pub(crate) async fn carry(host: Arc<Host>, instance: Arc<Instance>, mut inbound: mpsc::Receiver<Inbound>) {
    let mut under_way = UnderWay::default();
    let ring = host.logs.of(instance.assignment.name());
    while let Some(said) = inbound.recv().await {
        match said {
            Inbound::Ask { to, payload, timeout_ms, reply } => {
                let payload = payload.to_string().into_bytes();
                under_way.until_room_for(payload.len()).await;
                let bytes = payload.len();
                let asked = ask(Arc::clone(&host), Arc::clone(&instance), to, payload, timeout_ms, reply);
                under_way.enter(bytes, asked).await;
            }
            Inbound::Tell { to, payload } => {
                let payload = payload.to_string().into_bytes();
                under_way.until_room_for(payload.len()).await;
                under_way.enter(payload.len(), tell(Arc::clone(&host), Arc::clone(&instance), to, payload)).await;
            }
            Inbound::Log { level, text } => ring.push(&level.to_string(), &text),
            Inbound::Broken(reason) => ring.push("host", &format!("ended: {reason}")),
        }
    }
    while under_way.tasks.join_next().await.is_some() {}
}

/// Messages on their way.
#[derive(Default)]
struct UnderWay {
    /// What waits for their ends; each gives the length of its message.
    tasks: JoinSet<usize>,
    /// The bytes of all.
    bytes: usize,
}

impl UnderWay {
    /// Waits until there is room for a message of `bytes`.
    async fn until_room_for(&mut self, bytes: usize) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.bytes -= ended.unwrap_or_default();
        }
        while self.tasks.len() >= ON_THEIR_WAY || self.bytes + bytes > BYTES_ON_THEIR_WAY {
            let Some(ended) = self.tasks.join_next().await else { break };
            self.bytes -= ended.unwrap_or_default();
        }
        if self.tasks.is_empty() {
            // A task that failed did not say how much it had.
            self.bytes = 0;
        }
    }

    /// Polls once here, in order, and leaves the rest to a task.
    async fn enter(&mut self, bytes: usize, sending: impl Future<Output = ()> + Send + 'static) {
        let mut sending = Box::pin(sending);
        if poll!(sending.as_mut()).is_pending() {
            self.bytes += bytes;
            self.tasks.spawn(sending.map(move |()| bytes));
        }
    }
}

async fn ask(
    host: Arc<Host>,
    instance: Arc<Instance>,
    to: String,
    payload: Vec<u8>,
    timeout_ms: u64,
    reply: oneshot::Sender<Result<Value, CallError>>,
) {
    let result = match to.parse::<AgentName>() {
        Err(error) => Err(CallError::new(CallError::INVALID_PARAMS, error.to_string())),
        Ok(to) => {
            let within = Duration::from_millis(timeout_ms);
            let draft = Draft { to, payload, within, behalf: None };
            let (message, ending) = bus::ask(&host, Sender::Agent(instance), draft).await;
            for_agent(message, ending)
        }
    };
    // An agent that has ended waits for nothing.
    let _ = reply.send(result);
}

async fn tell(host: Arc<Host>, instance: Arc<Instance>, to: String, payload: Vec<u8>) {
    let name = instance.assignment.name().clone();
    let draft = |to| Draft { to, payload, within: TELL_TIMEOUT, behalf: None };
    let complaint = match to.parse::<AgentName>() {
        Err(error) => error.to_string(),
        Ok(receiver) => match bus::tell(&host, Sender::Agent(instance), draft(receiver)).await.1 {
            TellStatus::Delivered => return,
            TellStatus::Denied { decision, reason } => format!("denied by {decision}: {reason}"),
            TellStatus::NotDelivered { reason } => format!("not delivered: {reason}"),
            TellStatus::Unknown => "its outcome is unknown".to_owned(),
        },
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
