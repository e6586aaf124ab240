//! From the mailbox into the process: as many messages at a time as the spec allows, each only while the gate is open.

use crate::bus::PAYLOAD_BYTES;
use crate::ending::Ending;
use crate::host::Host;
use crate::instance::Instance;
use crate::letter::Letter;
use crate::observer::Effect;
use std::sync::Arc;
use symbi_proto::session::Kind;
use symbi_sandbox::rpc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Hands letters over until the mailbox closes. Dropping the future leaves the outcome of what was handed over unknown.
pub(crate) async fn run(host: Arc<Host>, instance: Arc<Instance>, client: rpc::Client) {
    let slots = Arc::new(Semaphore::new(usize::from(instance.assignment.spec.max_in_flight.max(1))));
    let mut handed = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while handed.try_join_next().is_some() {}
        host.until_open(&instance).await;
        let Some(letter) = instance.mailbox.pop().await else { break };
        handed.spawn(hand_over(Arc::clone(&host), Arc::clone(&instance), client.clone(), letter, slot));
    }
    while handed.join_next().await.is_some() {}
}

async fn hand_over(
    host: Arc<Host>,
    instance: Arc<Instance>,
    client: rpc::Client,
    mut letter: Letter,
    slot: OwnedSemaphorePermit,
) {
    // The letter may have come after the gate was last seen open.
    if let Err(refused) = host.test(&instance, Effect::Receive) {
        letter.end(Ending::NotDelivered { reason: refused.to_string() });
        return;
    }
    tracing::trace!(decision = %letter.permit.reference().decision, message = %letter.content.message, "handed over");
    let ending = match message(&letter) {
        Ok(message) => match client.message_if(message, || letter.hand_over()).await {
            Ok(answer) => answered(&host, &instance, &letter, &answer),
            Err(rpc::Error::Refused(error)) => {
                answered(&host, &instance, &letter, &serde_json::json!({ "error": error }))
            }
            Err(rpc::Error::Withheld) => Ending::DeadlineExceeded { delivered: false },
            // What was never written to it was not delivered, whatever has become of it since.
            Err(error) if !letter.is_handed_over() => Ending::NotDelivered { reason: error.to_string() },
            Err(_) => Ending::OutcomeUnknown,
        },
        Err(reason) => Ending::NotDelivered { reason },
    };
    drop(slot);
    letter.end(ending);
}

fn message(letter: &Letter) -> Result<rpc::Message, String> {
    let content = &letter.content;
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
fn answered(host: &Host, instance: &Instance, letter: &Letter, answer: &serde_json::Value) -> Ending {
    if letter.content.kind == Kind::Tell {
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
