//! Whether what came in a session is attested: the claims of signatures, their checks, and the end of a session without them.
//!
//! A message is delivered when it opens; the signature over its batch is claimed in the same frame and checked by the
//! [`run`], off the path of delivery. A session whose other side leaves too much without a signature, or for too
//! long, or signs wrongly, is closed and counted; what it has delivered stays recorded as authenticated, and no more.
//!
//! Checks are made one after the other. With more than the queue for them takes, whoever brings one makes it, which holds back
//! its peer.

use super::attestation_check::Check;
use super::channel::Channel;
use crate::host::Host;
use crate::observer::Event;
use std::sync::Arc;
use std::time::Duration;
use symbi_model::ledger::{Attestation, Entry, Message, MessageBatch};
use symbi_proto::session::batch;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Checks until `stop`, and then what still waits.
pub(crate) async fn run(host: Arc<Host>, mut checks: mpsc::Receiver<Check>, stop: CancellationToken) {
    while let Some(Some(check)) = stop.run_until_cancelled(checks.recv()).await {
        carry_out(check, &host);
    }
    checks.close();
    while let Some(check) = checks.recv().await {
        carry_out(check, &host);
    }
}

/// Has a batch checked.
fn check(host: &Host, check: Check) {
    if let Some(check) = host.attestation_checks.push(check) {
        carry_out(check, host);
    }
}

fn carry_out(check: Check, host: &Host) {
    let Check { channel, claim, messages } = check;
    match claim.verify(&channel.peer.key) {
        Ok(attestation) => {
            host.counters.messages_attested.add(messages.len() as u64);
            let batch = MessageBatch { session: channel.id.0, attestation: Some(attestation), messages };
            host.ledger.record(Entry::Received(batch));
        }
        Err(error) => close(&channel, host, &error.to_string(), messages),
    }
}

/// Takes the signature that came with what was held last, or the want of one.
pub(super) fn attest(channel: &Arc<Channel>, host: &Arc<Host>, attestation: Option<&Attestation>) {
    let (claimed, (first, held)) = {
        let mut session = channel.session();
        let claimed = attestation.map(|said| session.claim(&channel.peer.key, channel.peer.epoch, said));
        (claimed, session.unattested())
    };
    match claimed {
        Some(Ok(claim)) => {
            let messages = channel.covered(claim.attestation().last);
            check(host, Check { channel: Arc::clone(channel), claim, messages });
        }
        Some(Err(error)) => return close(channel, host, &error.to_string(), Vec::new()),
        None => {}
    }
    if held > 0 {
        host.spawn(expire(Arc::clone(channel), Arc::clone(host), first));
    }
}

/// Closes it for want of a good signature over what it has brought; over `messages` at last.
pub(super) fn close(channel: &Channel, host: &Host, why: &str, messages: Vec<Message>) {
    let first = channel.close();
    let mut left = messages;
    left.extend(channel.covered(u64::MAX));
    for messages in left.chunks(batch::MESSAGES) {
        let batch = MessageBatch { session: channel.id.0, attestation: None, messages: messages.to_vec() };
        host.ledger.record(Entry::Received(batch));
    }
    if first {
        let (peer, sender) = (channel.peer.node.short(), &channel.peer.name);
        tracing::warn!(%peer, sender, why, "a session is closed: its messages are not attested");
        host.counters.sessions_unattested.add(1);
        (host.ports.observer)(Event::SessionUnattested {
            node: channel.peer.node,
            sender: channel.peer.name.clone(),
            why: why.to_owned(),
        });
    }
}

/// Closes the session if the message `first` is not attested in time.
async fn expire(channel: Arc<Channel>, host: Arc<Host>, first: u64) {
    sleep(Duration::from_millis(batch::UNATTESTED_MS)).await;
    let (now_first, held) = channel.session().unattested();
    if now_first == first && held > 0 {
        close(&channel, &host, "no signature came within a second", Vec::new());
    }
}
