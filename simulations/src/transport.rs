//! libp2p's transport over turmoil's TCP: what the production node runs over in a simulation.
//!
//! It binds `0.0.0.0`, the only address that turmoil knows, and reports the host's own. Nothing here runs on a thread or
//! a timer of its own: connections are made and accepted in the polls that libp2p makes.

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use turmoil::net::{TcpListener, TcpStream};

/// A connection, as libp2p reads and writes it.
pub type Stream = Compat<TcpStream>;
type Event = TransportEvent<Ready<io::Result<Stream>>, io::Error>;

/// The TCP of one host.
pub struct Tcp {
    /// The host's address.
    ip: IpAddr,
    /// What listens.
    listeners: Vec<Listening>,
    /// What is to be told.
    events: VecDeque<Event>,
}

/// A listener, and what it waits for.
struct Listening {
    /// Its id.
    id: ListenerId,
    /// Where it listens, as others reach it.
    addr: Multiaddr,
    /// What it waits for.
    step: Step,
}

/// What a listener waits for.
enum Step {
    /// Its port.
    Binding(BoxFuture<'static, io::Result<TcpListener>>),
    /// The next connection.
    Accepting(Arc<TcpListener>, BoxFuture<'static, io::Result<(TcpStream, SocketAddr)>>),
}

impl Tcp {
    /// The TCP of the host that calls.
    #[must_use]
    pub fn of_host(ip: IpAddr) -> Self {
        Self { ip, listeners: Vec::new(), events: VecDeque::new() }
    }
}

impl Transport for Tcp {
    type Output = Stream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Stream>>;
    type Dial = BoxFuture<'static, io::Result<Stream>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let port = parse(&addr).ok_or(TransportError::MultiaddrNotSupported(addr))?.port();
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let addr = multiaddr(SocketAddr::new(self.ip, port));
        self.listeners.push(Listening { id, addr, step: Step::Binding(TcpListener::bind(any).boxed()) });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let Some(place) = self.listeners.iter().position(|listening| listening.id == id) else { return false };
        self.listeners.remove(place);
        self.events.push_back(TransportEvent::ListenerClosed { listener_id: id, reason: Ok(()) });
        true
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let to = parse(&addr).ok_or(TransportError::MultiaddrNotSupported(addr))?;
        Ok(async move { TcpStream::connect(to).await }.map_ok(TcpStream::compat).boxed())
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Event> {
        let this = &mut *self;
        if let Some(event) = this.events.pop_front() {
            return Poll::Ready(event);
        }
        for at in 0..this.listeners.len() {
            match this.listeners[at].poll(context) {
                Poll::Ready(Ok(event)) => return Poll::Ready(event),
                Poll::Ready(Err(error)) => {
                    let listener_id = this.listeners.remove(at).id;
                    return Poll::Ready(TransportEvent::ListenerClosed { listener_id, reason: Err(error) });
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

impl Listening {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        match &mut self.step {
            Step::Binding(binding) => {
                let Poll::Ready(bound) = binding.poll_unpin(context) else { return Poll::Pending };
                self.step = accepting(Arc::new(bound?));
                Poll::Ready(Ok(TransportEvent::NewAddress { listener_id: self.id, listen_addr: self.addr.clone() }))
            }
            Step::Accepting(listener, accept) => {
                let Poll::Ready(accepted) = accept.poll_unpin(context) else { return Poll::Pending };
                let listener = Arc::clone(listener);
                self.step = accepting(listener);
                let (stream, from) = accepted?;
                Poll::Ready(Ok(TransportEvent::Incoming {
                    listener_id: self.id,
                    upgrade: ready(Ok(stream.compat())),
                    local_addr: self.addr.clone(),
                    send_back_addr: multiaddr(from),
                }))
            }
        }
    }
}

fn accepting(listener: Arc<TcpListener>) -> Step {
    let next = Arc::clone(&listener);
    Step::Accepting(listener, async move { next.accept().await }.boxed())
}

fn multiaddr(addr: SocketAddr) -> Multiaddr {
    Multiaddr::from(addr.ip()).with(Protocol::Tcp(addr.port()))
}

fn parse(addr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = addr.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port)) => Some((ip, port).into()),
        _ => None,
    }
}
