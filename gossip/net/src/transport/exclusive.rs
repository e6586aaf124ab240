//! A listener that shares its port with nobody.
//!
//! libp2p's TCP listens with `SO_REUSEPORT`, so that a second node of the same user would bind the port of the first,
//! and the kernel would deal out their connections. A plain bind beforehand finds out.

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};

use crate::address::to_socket_addr;

/// The transport around libp2p's.
pub(super) struct Exclusive<T>(pub(super) T);

impl<T: Transport<Error = io::Error> + Unpin> Transport for Exclusive<T> {
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        if let Some(addr) = to_socket_addr(&addr).filter(|addr| addr.port() != 0) {
            // Bound without SO_REUSEPORT, and let go at once.
            TcpListener::bind(addr).map_err(TransportError::Other)?;
        }
        self.0.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<T::Dial, TransportError<io::Error>> {
        self.0.dial(addr, opts)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.0).poll(context)
    }
}
