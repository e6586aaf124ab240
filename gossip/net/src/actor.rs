//! The actor that owns the swarm: takes its events, the handle's messages, the roster and the tick to one place.
//!
//! What it does with them is in [`links`] (which connections there are), [`dial`], [`traffic`] (what runs over
//! them) and [`joins`] (the join protocol and vouching).
//!
//! - At most one connection of a peer is *active*: its lanes are in the routes.
//! - A connection whose peer's standing is no longer the one it was admitted with is closed.

mod dial;
mod joins;
mod link;
mod links;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::gossipsub::{self, MessageAcceptance};
use libp2p::swarm::{ConnectionId, ListenError, SwarmEvent};
use libp2p::{PeerId, Swarm};
use symbi_model::NodeId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::counters::Counters;
use crate::identity::peer_of;
use crate::inbox::{Gossip, Outbox};
use crate::message::Message;
use crate::roster::{Shared, Standing};
use crate::routes::Routes;
use crate::{Connection, Identity, Options, Roster, gossip};

/// How long closing connections may take at the end.
const CLOSING: Duration = Duration::from_millis(500);

/// What the actor is made of.
pub(crate) struct Parts {
    /// The settings.
    pub(crate) options: Options,
    /// Our key, which signs gossip.
    pub(crate) identity: Identity,
    /// Our peer id.
    pub(crate) own: PeerId,
    /// libp2p, listening.
    pub(crate) swarm: Swarm<Behaviour>,
    /// Who is who, shared with the behaviours.
    pub(crate) table: Shared,
    /// New rosters.
    pub(crate) roster: watch::Receiver<Roster>,
    /// What we are told.
    pub(crate) message_queue: mpsc::Receiver<Message>,
    /// For the tasks, to tell us.
    pub(crate) messages: mpsc::Sender<Message>,
    /// What came in goes here.
    pub(crate) outbox: Outbox,
    /// Where active lanes are found.
    pub(crate) routes: Arc<Routes>,
    /// Who is connected, for others.
    pub(crate) connected: watch::Sender<BTreeMap<NodeId, Connection>>,
    /// What was refused or lost.
    pub(crate) counters: Arc<Counters>,
    /// Owner of all tasks.
    pub(crate) tasks: TaskTracker,
    /// Ends everything.
    pub(crate) stop: CancellationToken,
}

/// The actor.
pub(crate) struct Actor {
    /// What it was made of.
    parts: Parts,
    /// All open connections.
    links: BTreeMap<ConnectionId, link::Link>,
    /// The connection in use with each peer.
    active: BTreeMap<PeerId, ConnectionId>,
    /// Dials of members under way.
    dialing: BTreeMap<PeerId, ConnectionId>,
    /// When a missing member may be dialled.
    redial: BTreeMap<PeerId, Instant>,
    /// The join protocol's state.
    joins: joins::Joins,
}

impl Actor {
    /// An actor without connections.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            links: BTreeMap::new(),
            active: BTreeMap::new(),
            dialing: BTreeMap::new(),
            redial: BTreeMap::new(),
            joins: joins::Joins::default(),
        }
    }

    /// Runs until it is stopped, then closes what is open.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.parts.options.redial);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.parts.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = self.parts.roster.changed() => self.on_roster(),
                _ = ticks.tick() => self.on_tick(),
                Some(message) = self.parts.message_queue.recv() => self.on_message(message),
                Some(answered) = self.joins.answers.next() => self.on_answered(answered),
                event = self.parts.swarm.select_next_some() => self.on_event(event),
            }
        }
        self.close_all().await;
    }

    /// Closes everything: closed connections reach the peers as an end, not as silence.
    async fn close_all(mut self) {
        let connections: Vec<_> = self.links.keys().copied().collect();
        for connection in connections {
            self.close(connection);
        }
        let drained = async {
            while !self.links.is_empty() {
                let event = self.parts.swarm.select_next_some().await;
                self.on_event(event);
            }
        };
        // After that the swarm is dropped, which resets what is left.
        let _ = tokio::time::timeout(CLOSING, drained).await;
    }

    /// Takes one message.
    fn on_message(&mut self, message: Message) {
        match message {
            Message::JoinCall { addr, body, reply } => self.on_join_call(addr, body, reply),
            Message::Publish(view) => self.publish(&view),
            Message::Disconnect(node) => self.disconnect(&node),
            Message::Open(connection, open) => {
                if let Some(link) = self.links.get(&connection) {
                    self.parts.swarm.behaviour_mut().substreams.open(link.peer, connection, open);
                }
            }
            Message::Keepalive(connection, outcome) => self.on_keepalive(connection, outcome),
            Message::Broken(connection, error) => self.on_broken(connection, &error),
        }
    }

    /// Takes one event of the swarm.
    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(connection_id, peer_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => self.on_closed(connection_id, cause),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                let refused = matches!(error, ListenError::Denied { .. });
                let counters = &self.parts.counters;
                let counter = if refused { &counters.connections_refused } else { &counters.handshakes_failed };
                if counter.add() {
                    tracing::warn!(from = %send_back_addr, %error, "a connection failed; more of these at debug level");
                } else {
                    tracing::debug!(from = %send_back_addr, %error, "a connection failed");
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Join(event)) => self.on_join_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Substreams(inbound)) => self.on_inbound(inbound),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::ListenerClosed { reason, .. } => tracing::error!(?reason, "the listener closed"),
            _ => {}
        }
    }

    /// Publishes a view.
    fn publish(&mut self, view: &Bytes) {
        if view.len() > gossip::MAX_VIEW {
            if self.parts.counters.gossip_dropped.add() {
                tracing::warn!(bytes = view.len(), "a view is too long to publish");
            }
            return;
        }
        let frame = gossip::encode(&self.parts.identity, view);
        // Nobody listening, or full queues: a view is a hint, and the next one follows.
        if let Err(error) = self.parts.swarm.behaviour_mut().gossip.inner.publish(gossip::topic(), frame) {
            tracing::trace!(%error, "a view was not published");
        }
    }

    /// Hands gossip of members on, and passes it along; gossip of anybody else ends here.
    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source, message_id, message } = event else { return };
        let from_member = gossip::decode(&message.data).filter(|(author, _)| self.is_member(author));
        let acceptance = match from_member {
            Some((from, body)) => {
                if self.parts.outbox.gossip.try_send(Gossip { from, body }).is_err() {
                    self.parts.counters.gossip_dropped.add();
                }
                MessageAcceptance::Accept
            }
            None => {
                if self.parts.counters.gossip_refused.add() {
                    tracing::warn!(by = %propagation_source, "gossip that is no member's");
                }
                MessageAcceptance::Ignore
            }
        };
        let gossip = &mut self.parts.swarm.behaviour_mut().gossip.inner;
        gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
    }

    /// Whether `node` is a member by the roster.
    fn is_member(&self, node: &NodeId) -> bool {
        peer_of(node).is_some_and(|peer| self.parts.table.lock().standing(&peer) == Standing::Member)
    }
}
