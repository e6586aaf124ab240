//! From the process outwards: an agent's own asks and tells on their way to the bus, and its notes on their way to its log.
//!
//! A tell enters the bus before the next line is read, so that tells leave in the order in which they were written.
//!
//! *When it is full.* An ask is refused at once. A tell is waited for as long as messages leave: that slows down an agent that writes
//! faster. Once none has left for [`STALLED`], tells are refused too, and the agent's log says so: between its requests stand
//! its answers, which others wait for, and nobody must wait for an answer because of what its author wants to say.

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
use tokio::time::timeout;

/// Messages of one agent on their way at once.
pub const ON_THEIR_WAY: usize = 512;
/// And their bytes.
pub const BYTES_ON_THEIR_WAY: usize = 16 << 20;
/// For how long what an agent writes is not read on for want of room, while none of its messages leaves.
const STALLED: Duration = Duration::from_secs(1);
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
                let bytes = payload.len();
                if !under_way.has_room_for(bytes) {
                    // An agent that has ended waits for nothing.
                    let _ = reply.send(Err(CallError::new(CallError::BUSY, under_way.is_full())));
                    continue;
                }
                let asked = ask(Arc::clone(&host), Arc::clone(&instance), to, payload, timeout_ms, reply);
                under_way.enter(bytes, asked).await;
            }
            Inbound::Tell { to, payload } => {
                let payload = payload.to_string().into_bytes();
                if !under_way.room_in_time(payload.len()).await {
                    ring.push("host", &format!("tell to {to:?}: BUSY, not sent: {}", under_way.is_full()));
                    continue;
                }
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
    /// Whether room was waited for in vain, and nothing has left since.
    stalled: bool,
}

impl UnderWay {
    /// Whether there is room for a message of `bytes` now.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        while let Some(ended) = self.tasks.try_join_next() {
            self.left(ended.unwrap_or_default());
        }
        self.tasks.is_empty() || (self.tasks.len() < ON_THEIR_WAY && self.bytes + bytes <= BYTES_ON_THEIR_WAY)
    }

    /// Waits for room for a message of `bytes`; false if there is none, and nothing leaves that would make some.
    async fn room_in_time(&mut self, bytes: usize) -> bool {
        while !self.has_room_for(bytes) {
            if self.stalled {
                return false;
            }
            match timeout(STALLED, self.tasks.join_next()).await {
                Ok(ended) => self.left(ended.and_then(Result::ok).unwrap_or_default()),
                Err(_) => self.stalled = true,
            }
        }
        true
    }

    /// A message of `bytes` is on its way no longer.
    fn left(&mut self, bytes: usize) {
        self.stalled = false;
        // A task that failed did not say how much it had.
        self.bytes = if self.tasks.is_empty() { 0 } else { self.bytes.saturating_sub(bytes) };
    }

    /// What there is no room beside, in words.
    fn is_full(&self) -> String {
        format!("{} messages of this agent, of {} bytes, are on their way already", self.tasks.len(), self.bytes)
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
