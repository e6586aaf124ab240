//! What can be set about the network.

use std::net::SocketAddr;
use std::time::Duration;

/// The most members that a cluster may have: each keeps a connection to every other.
pub const MAX_MEMBERS: usize = 256;

/// The network's settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one, see [`crate::Handle::listen_addr`].
    pub listen: SocketAddr,
    /// How often each side of a connection says that it is there. Default 100 ms.
    pub heartbeat: Duration,
    /// Silence after which a side closes the connection. Default 2 s, twenty heartbeats.
    pub dead_after: Duration,
    /// How often missing connections are dialled and silent ones looked for. Default 300 ms.
    pub redial: Duration,
    /// How long the node with the larger peer id leaves the dialling to the other. Default 1 s.
    pub yield_for: Duration,
    /// How many connections there may be.
    pub limits: Limits,
}

impl Options {
    /// The defaults, listening on `listen`.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            heartbeat: Duration::from_millis(100),
            dead_after: Duration::from_secs(2),
            redial: Duration::from_millis(300),
            yield_for: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

/// Numbers of connections; one more is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections of one peer, those being closed not counted. Default 2: the one in use and the one that replaces it.
    pub per_peer: usize,
    /// Established connections in all. Default 320: one to every other member, strangers, and those that replace others.
    pub established: u32,
    /// Inbound connections whose handshake is under way. Default 32.
    pub pending_inbound: u32,
    /// Established inbound connections of peers that are not members. Default 32.
    pub strangers: usize,
    /// How long one of them may last, whatever goes on over it; it closes when its last answer is given. Default 30 s.
    pub stranger_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_peer: 2,
            established: MAX_MEMBERS as u32 + 64,
            pending_inbound: 32,
            strangers: 32,
            stranger_lifetime: Duration::from_secs(30),
        }
    }
}
