//! The transport: a byte stream made secret, authenticated and shared. The seam at which a simulation comes in.

mod exclusive;

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::{noise, yamux};

use crate::Identity;

/// What the network runs over.
pub type Transport = Boxed<(PeerId, StreamMuxerBox)>;

/// How long a dial with its handshake may take, on either side. A dial to a dead host gets no answer at all.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Substreams on one connection, both directions together; more close the connection.
const MAX_SUBSTREAMS: usize = 64;

/// Adds Noise and yamux to any transport of byte streams.
///
/// # Panics
/// If Noise cannot sign its static key with `identity`, which an Ed25519 key always can.
pub fn secure<T>(transport: T, identity: &Identity) -> Transport
where
    T: libp2p::core::Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let noise = noise::Config::new(identity.keypair()).expect("an Ed25519 key signs");
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_SUBSTREAMS);
    transport.upgrade(Version::V1Lazy).authenticate(noise).multiplex(yamux).timeout(HANDSHAKE).boxed()
}

/// The production transport: TCP without Nagle's delay on a port of its own, Noise, yamux.
#[must_use]
pub fn tcp(identity: &Identity) -> Transport {
    let tcp = libp2p::tcp::tokio::Transport::new(libp2p::tcp::Config::new().nodelay(true));
    libp2p::core::Transport::boxed(exclusive::Exclusive(secure(tcp, identity)))
}
