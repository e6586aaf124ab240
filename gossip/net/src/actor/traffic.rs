//! What runs over a connection: our lanes and heartbeat, and the peer's.

use libp2p::swarm::ConnectionId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Actor;
use super::link::{Link, Phase};
use crate::lane::{caller, keepalive, server};
use crate::message::Message;
use crate::roster::Standing;
use crate::substream::{Inbound, Open, Refusal, Slot};
use crate::{CallError, Lane};

impl Actor {
    /// The calling half of a lane, with its task.
    pub(super) fn lane(&self, connection: ConnectionId, link: &Link, lane: Lane) -> caller::Caller {
        let (caller, frames) = caller::Caller::new(self.parts.counters.clone());
        if link.standing < Standing::Member && !lane.is_raft() {
            caller.close(&CallError::Refused);
            return caller;
        }
        let (messages, stop, heard) = (self.parts.messages.clone(), link.stop.clone(), link.heard.clone());
        let opener = messages.clone();
        let open = move || open(opener.clone(), connection, Slot::Lane(lane));
        let task = caller.clone();
        self.parts.tasks.spawn(async move {
            match stop.run_until_cancelled(caller::run(task.clone(), frames, heard, open)).await {
                Some(Ok(())) => return,
                Some(Err(error)) => report(&messages, Message::Broken(connection, error)).await,
                None => {}
            }
            task.close(&CallError::Closed);
        });
        caller
    }

    /// Our heartbeat, which also tells whether the peer takes us for a member.
    pub(super) fn beat(&self, connection: ConnectionId, link: &Link) {
        let (messages, stop, period) = (self.parts.messages.clone(), link.stop.clone(), self.parts.options.heartbeat);
        let heard = link.heard.clone();
        self.parts.tasks.spawn(async move {
            let task = async {
                let (stream, outcome) = match open(messages.clone(), connection, Slot::Keepalive).await {
                    Ok(stream) => (Some(stream), Ok(())),
                    Err(refusal) => (None, Err(refusal)),
                };
                report(&messages, Message::Keepalive(connection, outcome)).await;
                if let Some(stream) = stream {
                    keepalive::beat(stream, period, heard).await;
                }
            };
            stop.run_until_cancelled(task).await;
        });
    }

    /// Our heartbeat was taken, or refused, or lost.
    pub(super) fn on_keepalive(&mut self, connection: ConnectionId, outcome: Result<(), Refusal>) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        match outcome {
            Ok(()) => {
                link.phase = Phase::Up;
                tracing::info!(node = %link.node.short(), raft_only = link.standing < Standing::Member, "can talk");
                self.publish_connections();
            }
            Err(Refusal::Unsupported) => {
                tracing::debug!(node = %link.node.short(), "is taken for a stranger there");
                link.phase = Phase::Refused { again: Some(Instant::now()) };
                self.ask_admission(connection);
            }
            Err(Refusal::Failed(reason)) => {
                tracing::debug!(node = %link.node.short(), reason, "no heartbeat");
                self.close(connection);
            }
        }
    }

    /// Serves a substream that the peer opened.
    pub(super) fn on_inbound(&mut self, inbound: Inbound) {
        let Inbound { connection, slot, stream } = inbound;
        let Some(link) = self.links.get_mut(&connection) else { return };
        let stop = link.stop.child_token();
        if let Some(old) = link.inbound.insert(slot, stop.clone()) {
            old.cancel();
        }
        let heard = link.heard.clone();
        let messages = self.parts.messages.clone();
        match slot {
            Slot::Keepalive => {
                self.parts.tasks.spawn(stop.run_until_cancelled_owned(keepalive::listen(stream, heard)));
            }
            Slot::Lane(lane) => {
                let outbox = self.parts.outbox.clone();
                let server = server::Server { from: link.node, lane, outbox, heard };
                self.parts.tasks.spawn(async move {
                    if let Some(Err(error)) = stop.run_until_cancelled(server.run(stream)).await
                        && error.kind() == std::io::ErrorKind::InvalidData
                    {
                        report(&messages, Message::Broken(connection, error)).await;
                    }
                });
            }
        }
    }

    /// The peer sent what no node sends.
    pub(super) fn on_broken(&mut self, connection: ConnectionId, error: &std::io::Error) {
        let Some(link) = self.links.get(&connection) else { return };
        let node = link.node.short();
        if self.parts.counters.bad_frames.add() {
            tracing::warn!(node, %error, "a bad frame closed a connection; more of these at debug level");
        } else {
            tracing::debug!(node, %error, "a bad frame closed a connection");
        }
        self.close(connection);
    }
}

/// Opens a substream through the actor.
async fn open(
    messages: mpsc::Sender<Message>,
    connection: ConnectionId,
    slot: Slot,
) -> Result<libp2p::Stream, Refusal> {
    let gone = || Refusal::Failed("the connection has ended".to_owned());
    let (reply, stream) = oneshot::channel();
    messages.send(Message::Open(connection, Open { slot, reply })).await.map_err(|_| gone())?;
    stream.await.unwrap_or_else(|_| Err(gone()))
}

/// Tells the actor, which may be gone already.
async fn report(messages: &mpsc::Sender<Message>, message: Message) {
    let _ = messages.send(message).await;
}
