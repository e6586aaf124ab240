//! Dialling the members that are not connected: the smaller peer id at once, the larger a moment later.

use std::net::SocketAddr;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use tokio::time::Instant;

use super::Actor;
use crate::address::to_multiaddr;
use crate::error::root;
use crate::identity::node_of;

impl Actor {
    /// Dials the members that are not connected, each when its time has come.
    pub(super) fn dial_missing(&mut self) {
        let members: Vec<_> = self.parts.table.lock().members().iter().map(|(peer, addr)| (*peer, *addr)).collect();
        self.redial.retain(|peer, _| members.iter().any(|(member, _)| member == peer));
        let now = Instant::now();
        for (peer, addr) in members {
            if self.active.contains_key(&peer) || self.dialing.contains_key(&peer) {
                continue;
            }
            let wait = if self.parts.own < peer { Duration::ZERO } else { self.parts.options.yield_for };
            if *self.redial.entry(peer).or_insert(now + wait) <= now {
                self.dial(peer, addr);
            }
        }
    }

    /// Dials a member.
    fn dial(&mut self, peer: PeerId, addr: SocketAddr) {
        // A fresh port: our listening port towards the same address may still be in TIME_WAIT.
        let opts = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .allocate_new_port()
            .addresses(vec![to_multiaddr(addr)])
            .build();
        let connection = opts.connection_id();
        match self.parts.swarm.dial(opts) {
            Ok(()) => {
                self.dialing.insert(peer, connection);
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "cannot dial");
                self.redial.insert(peer, Instant::now() + self.parts.options.redial);
            }
        }
    }

    /// Dials a member at the next tick.
    pub(super) fn redial_now(&mut self, peer: PeerId) {
        self.redial.insert(peer, Instant::now());
    }

    /// A dial failed.
    pub(super) fn on_dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        let counters = &self.parts.counters;
        let wrong = matches!(error, DialError::WrongPeerId { .. });
        let first = if wrong { counters.wrong_peers.add() } else { counters.dials_failed.add() };
        let reason = describe(error);
        if wrong && first {
            tracing::warn!(reason, "another node answered than the one expected; more of these at debug level");
        } else {
            tracing::debug!(reason, "a dial failed");
        }
        let again = Instant::now() + self.parts.options.redial;
        for (peer, _) in self.dialing.extract_if(.., |_, dial| *dial == connection) {
            self.redial.insert(peer, again);
        }
        self.on_join_dial_failed(connection, &reason);
    }
}

/// What a failed dial says to people.
pub(super) fn describe(error: &DialError) -> String {
    match error {
        DialError::Transport(attempts) => {
            let reasons: Vec<_> = attempts
                .iter()
                .map(|(_, error)| match error {
                    libp2p::TransportError::Other(error) => root(error).to_string(),
                    libp2p::TransportError::MultiaddrNotSupported(addr) => format!("{addr} cannot be dialled"),
                })
                .collect();
            reasons.join("; ")
        }
        // libp2p takes our own listening addresses out of a dial.
        DialError::LocalPeerId { .. } | DialError::NoAddresses => "it is this node itself".to_owned(),
        DialError::WrongPeerId { obtained, .. } => match node_of(obtained) {
            Some(node) => format!("node {} answered", node.short()),
            None => "something that is no node answered".to_owned(),
        },
        other => other.to_string(),
    }
}
