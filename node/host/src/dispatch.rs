//! From the mailbox into the process: as many messages at a time as the spec allows, each only while the gate is open.

use crate::bus::PAYLOAD_BYTES;
use crate::delivery::Delivery;
use crate::ending::Ending;
use crate::host::Host;
use crate::instance::Instance;
use crate::observer::Effect;
use std::sync::Arc;
use symbi_proto::session::Kind;
use symbi_sandbox::rpc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Hands deliveries over until the mailbox closes. Dropping the future leaves the outcome of what was handed over unknown.
pub(crate) async fn run(host: Arc<Host>, instance: Arc<Instance>, client: rpc::Client) {
    let slots = Arc::new(Semaphore::new(usize::from(instance.assignment.spec.max_in_flight.max(1))));
    let mut handed = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while handed.try_join_next().is_some() {}
        host.until_open(&instance).await;
        let Some(delivery) = instance.mailbox.pop().await else { break };
        handed.spawn(hand_over(Arc::clone(&host), Arc::clone(&instance), client.clone(), delivery, slot));
    }
    while handed.join_next().await.is_some() {}
}

async fn hand_over(
    host: Arc<Host>,
    instance: Arc<Instance>,
    client: rpc::Client,
    mut delivery: Delivery,
    slot: OwnedSemaphorePermit,
) {
    // The delivery may have come after the gate was last seen open.
    if let Err(refused) = host.test(&instance, Effect::Receive) {
        delivery.end(Ending::NotDelivered { reason: refused.to_string() });
        return;
    }
    tracing::trace!(decision = %delivery.permit.reference().decision, message = %delivery.content.message, "handed over");
    let ending = match message(&delivery) {
        Ok(message) => match client.message_if(message, || delivery.hand_over()).await {
            Ok(answer) => answered(&host, &instance, &delivery, &answer),
            Err(rpc::Error::Refused(error)) => {
                answered(&host, &instance, &delivery, &serde_json::json!({ "error": error }))
            }
            Err(rpc::Error::Withheld) => Ending::DeadlineExceeded { delivered: false },
            // What was never written to it was not delivered, whatever has become of it since.
            Err(error) if !delivery.is_handed_over() => Ending::NotDelivered { reason: error.to_string() },
            Err(_) => Ending::OutcomeUnknown,
        },
        Err(reason) => Ending::NotDelivered { reason },
    };
    drop(slot);
    delivery.end(ending);
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
