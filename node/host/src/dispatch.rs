//! From the mailbox into the process: as many messages at a time as the spec allows, each only while the gate is open.
//!
//! Messages are written to the process one after the other, in the order in which they came, and only their answers are
//! awaited at once. A message that is not answered by its deadline makes way for the next.

use crate::bus::PAYLOAD_BYTES;
use crate::delivery::Delivery;
use crate::ending::{Ending, not_delivered};
use crate::host::Host;
use crate::instance::Instance;
use crate::observer::Effect;
use crate::responsiveness::Responsiveness;
use std::sync::Arc;
use symbi_proto::session::Kind;
use symbi_sandbox::rpc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Hands deliveries over until the mailbox closes. Dropping the future leaves the outcome of what was handed over unknown.
pub(crate) async fn run(
    host: Arc<Host>,
    instance: Arc<Instance>,
    client: rpc::Client,
    responsiveness: Arc<Responsiveness>,
) {
    let slots = Arc::new(Semaphore::new(usize::from(instance.assignment.spec.max_in_flight.max(1))));
    let mut handed = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while handed.try_join_next().is_some() {}
        host.until_open(&instance).await;
        let Some(mut delivery) = instance.mailbox.pop().await else { break };
        match hand_over(&host, &instance, &client, &delivery).await {
            Ok(written) => {
                let given = Given { delivery, written, since: Instant::now(), slot };
                handed.spawn(given.answered(Arc::clone(&host), Arc::clone(&instance), Arc::clone(&responsiveness)));
            }
            Err(ending) => drop(delivery.end(ending)),
        }
    }
    while handed.join_next().await.is_some() {}
}

/// Writes a delivery to the process.
async fn hand_over(
    host: &Host,
    instance: &Instance,
    client: &rpc::Client,
    delivery: &Delivery,
) -> Result<rpc::Written, Ending> {
    // The delivery may have come after the gate was last seen open.
    host.test(instance, Effect::Receive).map_err(|refused| not_delivered(refused.to_string()))?;
    let (decision, id) = (delivery.permit.reference().decision, delivery.content.message);
    tracing::trace!(%decision, message = %id, "handed over");
    let message = message(delivery).map_err(not_delivered)?;
    match timeout_at(delivery.content.deadline, client.write_if(message, || delivery.hand_over())).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(rpc::Error::Withheld)) | Err(_) => Err(Ending::DeadlineExceeded { delivered: false }),
        // What was never written to it was not delivered, whatever has become of it since.
        Ok(Err(error)) => Err(not_delivered(error.to_string())),
    }
}

/// A message that the process has.
struct Given {
    /// The message.
    delivery: Delivery,
    /// Brings its answer.
    written: rpc::Written,
    /// Since when the process has it.
    since: Instant,
    /// Its place among those that the process may have.
    slot: OwnedSemaphorePermit,
}

impl Given {
    /// Waits for the answer until the deadline, and then, for a while, for a sign of life.
    async fn answered(self, host: Arc<Host>, instance: Arc<Instance>, responsiveness: Arc<Responsiveness>) {
        let Self { mut delivery, written, since, slot } = self;
        let (deadline, mut gates) = (delivery.content.deadline, instance.gates());
        gates.mark_unchanged();
        let were_open = || *gates.borrow() && gates.has_changed().is_ok_and(|changed| !changed);
        let mut answer = Box::pin(responsiveness.watch(since, were_open, written.answer()));
        let Ok(answer) = timeout_at(deadline, &mut answer).await else {
            drop(slot);
            delivery.end(Ending::DeadlineExceeded { delivered: true });
            // Whoever waits for a late answer must not keep what was asked: such waits are not bounded by the slots.
            drop(delivery);
            let Some(late) = responsiveness.late(since) else { return };
            if matches!(timeout_at(late.until, answer).await, Ok(Ok(_) | Err(rpc::Error::Refused(_)))) {
                responsiveness.answered();
            }
            return;
        };
        let ending = match answer {
            Ok(answer) => answered(&host, &instance, &delivery, &answer),
            Err(rpc::Error::Refused(error)) => {
                answered(&host, &instance, &delivery, &serde_json::json!({ "error": error }))
            }
            Err(_) => Ending::OutcomeUnknown,
        };
        if !matches!(ending, Ending::OutcomeUnknown) {
            responsiveness.answered();
        }
        drop(slot);
        delivery.end(ending);
    }
}

fn message(delivery: &Delivery) -> Result<rpc::Message, String> {
    let content = &delivery.content;
    let payload =
        serde_json::from_slice(&content.payload).map_err(|error| format!("its payload is not JSON: {error}"))?;
    let kind = match content.kind {
        Kind::Tell => rpc::Kind::Tell,
        Kind::Ask | Kind::Answer => rpc::Kind::Ask,
    };
    let (id, from) = (content.message.to_string(), content.from.clone());
    Ok(rpc::Message { id, kind, from, deadline_ms: content.deadline_ms, payload })
}

/// An answer is an effect as much as a message is: it leaves only while the gate is open, and else nobody knows of it.
fn answered(host: &Host, instance: &Instance, delivery: &Delivery, answer: &serde_json::Value) -> Ending {
    if delivery.content.kind == Kind::Tell {
        return Ending::Answer(Vec::new());
    }
    match host.test(instance, Effect::Answer) {
        Ok(_) => Ending::Answer(within_limit(answer.to_string())),
        Err(_) => Ending::OutcomeUnknown,
    }
}

/// A longer answer cannot be carried, and its asker is told so: the ask was processed.
fn within_limit(answer: String) -> Vec<u8> {
    if answer.len() <= PAYLOAD_BYTES {
        return answer.into_bytes();
    }
    let text = format!("the answer has {} bytes; at most {PAYLOAD_BYTES} are allowed", answer.len());
    let error = rpc::CallError::new(rpc::CallError::INTERNAL, text);
    serde_json::json!({ "error": error }).to_string().into_bytes()
}
