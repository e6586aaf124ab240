//! Which connections there are: choosing between two of one peer, closing the silent, the removed and the outgrown.
//!
//! Both sides dial, the larger peer id a moment later. If both succeed, both sides keep the one that the smaller peer
//! id dialled. But a connection that comes when ours is no longer young replaces it, whoever dialled: the peer would
//! not have dialled had it not lost the old one.

use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionError, ConnectionId};
use symbi_model::NodeId;
use tokio::time::Instant;

use super::Actor;
use super::link::{End, Link, Phase};
use crate::identity::node_of;
use crate::roster::Standing;
use crate::{Connection, Lane};

/// Two connections that begin within this time of each other were dialled from both sides at once.
const YOUNG: Duration = Duration::from_secs(2);
/// How long a connection that is to be closed may go on to answer join calls.
const DRAINING: Duration = Duration::from_secs(10);
/// How long it stays after an answer: a connection that ends right behind one can swallow it at the other side.
const LINGER: Duration = Duration::from_millis(250);

impl Actor {
    /// A connection stands.
    pub(super) fn on_established(&mut self, connection: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        // The listener admits nobody else.
        let Some(node) = node_of(&peer) else { return };
        let standing = self.parts.table.lock().admitted(connection);
        self.dialing.retain(|_, dial| *dial != connection);
        let link = Link::new(peer, node, standing, endpoint, self.parts.stop.child_token());
        tracing::debug!(node = %node.short(), ?standing, dialled = link.dialled, "connected");
        self.links.insert(connection, link);
        self.review(connection);
        self.settle(connection);
        self.on_join_dialled(connection);
    }

    /// Puts a new connection to use, or decides between it and the one in use.
    fn settle(&mut self, connection: ConnectionId) {
        let Some(new) = self.links.get(&connection).filter(|link| link.is_usable()) else { return };
        let old = self.active.get(&new.peer).copied();
        match old.and_then(|old| Some((old, self.links.get(&old)?))) {
            Some((_, link)) if self.outlives(link, new) => self.close(connection),
            Some((old, _)) => {
                self.close(old);
                self.activate(connection);
            }
            None => self.activate(connection),
        }
    }

    /// Whether the connection in use is kept when `new` comes.
    fn outlives(&self, old: &Link, new: &Link) -> bool {
        let both_dialled = old.dialled != new.dialled && old.since.elapsed() < YOUNG;
        let smaller_dialled = old.dialled == (self.parts.own < old.peer);
        both_dialled && smaller_dialled && !matches!(old.phase, Phase::Refused { .. })
    }

    /// Makes a connection the one in use: its lanes, its heartbeat.
    fn activate(&mut self, connection: ConnectionId) {
        let Some(link) = self.links.get(&connection) else { return };
        self.active.insert(link.peer, connection);
        self.redial.remove(&link.peer);
        let lanes = Lane::ALL.map(|lane| self.lane(connection, link, lane));
        self.parts.routes.insert(link.node, lanes, link.heard.clone());
        self.beat(connection, link);
        debug_assert!(self.links[&connection].is_usable());
    }

    /// A connection is gone.
    pub(super) fn on_closed(&mut self, connection: ConnectionId, cause: Option<ConnectionError>) {
        self.deactivate(connection);
        let Some(link) = self.links.remove(&connection) else { return };
        link.stop.cancel();
        tracing::debug!(node = %link.node.short(), ?cause, "disconnected");
        let spare = self.links.iter().find(|(_, other)| other.peer == link.peer && other.is_usable());
        if let Some(spare) = spare.map(|(connection, _)| *connection).filter(|_| !self.active.contains_key(&link.peer))
        {
            self.activate(spare);
        }
    }

    /// Begins to close a connection; what runs over it ends now.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.deactivate(connection);
        if let Some(link) = self.links.get_mut(&connection) {
            link.end = End::Closing;
            self.parts.table.lock().end(connection);
            link.stop.cancel();
            self.parts.swarm.close_connection(connection);
        }
    }

    /// Closes a connection as soon as no join call needs it.
    fn drain(&mut self, connection: ConnectionId) {
        self.deactivate(connection);
        let Some(link) = self.links.get_mut(&connection) else { return };
        let lingers = link.answered.is_some_and(|at| at.elapsed() < LINGER);
        if link.joins.is_empty() && !lingers && !self.joins.has_calls_to(&link.peer) {
            self.close(connection);
        } else if link.end == End::Open {
            link.end = End::Draining(Instant::now() + DRAINING);
        }
    }

    /// Closes a connection that was dialled only to learn who it is, unless it has come into use.
    pub(super) fn release(&mut self, connection: ConnectionId) {
        if self.links.get(&connection).is_some_and(|link| !link.is_usable()) {
            self.drain(connection);
        }
    }

    /// Takes a connection out of use, if it is the one.
    fn deactivate(&mut self, connection: ConnectionId) {
        let Some(link) = self.links.get(&connection) else { return };
        if self.active.get(&link.peer) == Some(&connection) {
            self.active.remove(&link.peer);
            self.parts.routes.remove(&link.node);
            self.publish_connections();
        }
    }

    /// Closes a connection whose peer's standing has changed since, or that waits to be closed.
    pub(super) fn review(&mut self, connection: ConnectionId) {
        let Some(link) = self.links.get(&connection) else { return };
        let (standing, removed) = {
            let table = self.parts.table.lock();
            (table.standing(&link.peer), table.is_removed(&link.peer))
        };
        if link.end == End::Closing || (standing == link.standing && link.end == End::Open) {
            return;
        }
        if removed && link.standing > Standing::Stranger {
            self.close(connection);
        } else {
            self.drain(connection);
        }
    }

    /// Closes all connections of a node.
    pub(super) fn disconnect(&mut self, node: &NodeId) {
        let of_node: Vec<_> =
            self.links.iter().filter(|(_, link)| link.node == *node).map(|(connection, _)| *connection).collect();
        for connection in of_node {
            self.close(connection);
        }
    }

    /// A new roster.
    pub(super) fn on_roster(&mut self) {
        let roster = self.parts.roster.borrow_and_update().clone();
        let is_removed = {
            let mut table = self.parts.table.lock();
            table.set(&roster, &self.parts.own);
            table.is_removed(&self.parts.own)
        };
        let connections: Vec<_> = self.links.keys().copied().collect();
        for connection in connections {
            self.review(connection);
        }
        if is_removed {
            tracing::warn!("this node was removed from the cluster");
        }
        self.dial_missing();
    }

    /// Whatever time brings.
    pub(super) fn on_tick(&mut self) {
        self.dial_missing();
        self.close_silent();
        self.close_old_strangers();
        self.close_drained();
        self.tick_joins();
    }

    /// Closes connections whose peer fell silent.
    fn close_silent(&mut self) {
        let dead_after = self.parts.options.dead_after;
        let is_silent = |link: &Link| {
            link.is_usable() && !matches!(link.phase, Phase::Refused { .. }) && link.heard.silence() > dead_after
        };
        let silent: Vec<_> =
            self.links.iter().filter(|(_, link)| is_silent(link)).map(|(id, link)| (*id, link.node)).collect();
        for (connection, node) in silent {
            self.parts.counters.peers_silent.add();
            tracing::info!(node = %node.short(), "fell silent");
            self.close(connection);
        }
    }

    /// Closes strangers' connections whose time is up: they are few, and others wait for them.
    fn close_old_strangers(&mut self) {
        let lifetime = self.parts.options.limits.stranger_lifetime;
        let is_old = |link: &Link| {
            link.end == End::Open
                && !link.dialled
                && link.standing == Standing::Stranger
                && link.since.elapsed() > lifetime
        };
        let old: Vec<_> = self.links.iter().filter(|(_, link)| is_old(link)).map(|(id, _)| *id).collect();
        for connection in old {
            self.parts.counters.strangers_expired.add();
            self.drain(connection);
        }
    }

    /// Closes connections that were kept for join calls only, and are no longer needed.
    fn close_drained(&mut self) {
        let draining = self.links.iter().filter_map(|(connection, link)| match link.end {
            End::Draining(until) => Some((*connection, until)),
            End::Open | End::Closing => None,
        });
        for (connection, until) in draining.collect::<Vec<_>>() {
            if until <= Instant::now() {
                self.close(connection);
            } else {
                self.drain(connection);
            }
        }
    }

    /// Tells the others who is connected.
    pub(super) fn publish_connections(&self) {
        let links = self.active.values().filter_map(|connection| self.links.get(connection));
        let connected = links
            .filter(|link| link.phase == Phase::Up)
            .map(|link| (link.node, Connection { since: link.since, raft_only: link.standing < Standing::Member }));
        let connected = connected.collect();
        self.parts.connected.send_if_modified(|old| {
            let changed = *old != connected;
            *old = connected;
            changed
        });
    }
}
