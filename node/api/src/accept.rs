//! The accept loop: TCP and the unix socket, with bounds that a library's plain `serve` does not have.
//!
//! Bounds: 512 connections, 32 from one address; the first byte within 5 s, headers within 10 s; a client that does not read
//! its answers may keep them waiting for 30 s. Over a bound a connection is closed at once. (Bodies are bounded in
//! [`crate::routes`].)

mod paced;

use crate::auth::Listener;
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use paced::Paced;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest path of a unix socket that Linux takes, in bytes.
pub const SOCKET_PATH_BYTES: usize = 107;

/// How the interface listens.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TCP address; loopback only, because there is no TLS.
    pub listen: SocketAddr,
    /// The unix socket, mode 0600.
    pub socket: PathBuf,
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address.
    pub per_address: usize,
    /// How long a connection may be silent before its first byte.
    pub first_byte: Duration,
    /// How long a request's headers may take.
    pub headers: Duration,
    /// How long a client may keep its answers waiting by not reading them.
    pub reader: Duration,
}

impl Options {
    /// The documented bounds.
    #[must_use]
    pub fn new(listen: SocketAddr, socket: PathBuf) -> Self {
        Self {
            listen,
            socket,
            connections: 512,
            per_address: 32,
            first_byte: Duration::from_secs(5),
            headers: Duration::from_secs(10),
            reader: Duration::from_secs(30),
        }
    }
}

/// Listeners that are bound and not yet served.
pub struct Bound {
    /// The bounds.
    options: Options,
    /// The TCP listener.
    tcp: TcpListener,
    /// The unix listener.
    unix: UnixListener,
    /// The address that was bound; the port is known even when 0 was asked for.
    pub addr: SocketAddr,
}

/// Binds both listeners, and makes the socket its owner's alone.
///
/// # Errors
/// When the address is taken or not loopback, or the socket's path is too long.
pub async fn bind(options: Options) -> io::Result<Bound> {
    if !options.listen.ip().is_loopback() {
        let what = format!("{} is not a loopback address, and without TLS no other is served", options.listen);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    if options.socket.as_os_str().len() > SOCKET_PATH_BYTES {
        let what = format!(
            "{} has {} bytes, and a unix socket's path at most {SOCKET_PATH_BYTES}: choose a shorter data directory",
            options.socket.display(),
            options.socket.as_os_str().len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let tcp = TcpListener::bind(options.listen).await?;
    match std::fs::remove_file(&options.socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let unix = UnixListener::bind(&options.socket)?;
    std::fs::set_permissions(&options.socket, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let addr = tcp.local_addr()?;
    Ok(Bound { options, tcp, unix, addr })
}

/// What every connection is served with.
#[derive(Clone)]
struct Service {
    /// The routes.
    router: Router,
    /// The bounds.
    options: Arc<Options>,
    /// How many connections each address has.
    open: Arc<Mutex<HashMap<Option<IpAddr>, usize>>>,
    /// Ends every connection.
    cancel: CancellationToken,
}

impl Bound {
    /// Serves until `cancel`, then lets open requests end.
    pub async fn serve(self, router: Router, cancel: CancellationToken) {
        let tracker = TaskTracker::new();
        let service = Service { router, options: Arc::new(self.options), open: Arc::default(), cancel: cancel.clone() };
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                accepted = self.tcp.accept() => service.admit_tcp(&tracker, accepted).await,
                accepted = self.unix.accept() => service.admit_unix(&tracker, accepted).await,
            }
        }
        tracker.close();
        let _ = tokio::time::timeout(Duration::from_secs(2), tracker.wait()).await;
        let _ = std::fs::remove_file(&service.options.socket);
    }
}

impl Service {
    async fn admit_tcp(&self, tracker: &TaskTracker, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = self.place(Some(peer.ip())) {
                    let service = self.clone();
                    tracker.spawn(async move {
                        // Looked at and not only waited for: a socket may be called readable before anything has come.
                        let mut first = [0];
                        let looking = tokio::time::timeout(service.options.first_byte, stream.peek(&mut first));
                        if matches!(looking.await, Ok(Ok(1))) {
                            service.connection(stream, reset, Listener::Tcp).await;
                        }
                        drop(place);
                    });
                }
            }
            Err(error) => pause(&error).await,
        }
    }

    async fn admit_unix(
        &self,
        tracker: &TaskTracker,
        accepted: io::Result<(UnixStream, tokio::net::unix::SocketAddr)>,
    ) {
        match accepted {
            Ok((stream, _)) => {
                let own = stream
                    .peer_cred()
                    .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == rustix::process::getuid().as_raw());
                if let Some(place) = own.then(|| self.place(None)).flatten() {
                    let service = self.clone();
                    tracker.spawn(async move {
                        service.connection(stream, |_| (), Listener::Unix).await;
                        drop(place);
                    });
                }
            }
            Err(error) => pause(&error).await,
        }
    }

    /// A connection's place under the bounds, or none when they are reached.
    fn place(&self, address: Option<IpAddr>) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // The operator's own socket has connections of its own: strangers on TCP must not lock it out.
        let all: usize =
            open.iter().filter(|(other, _)| other.is_some() == address.is_some()).map(|(_, count)| count).sum();
        let own = open.get(&address).copied().unwrap_or(0);
        if all >= self.options.connections || (address.is_some() && own >= self.options.per_address) {
            return None;
        }
        open.insert(address, own + 1);
        Some(Place { address, open: self.open.clone() })
    }

    async fn connection<S>(&self, stream: S, abort: fn(&S), listener: Listener)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = self.router.clone().layer(axum::Extension(listener));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.headers)
            .serve_connection(
                TokioIo::new(Paced::new(stream, self.options.reader, abort)),
                TowerToHyperService::new(routes),
            );
        tokio::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection ended with an error");
            },
            () = self.cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// Makes the close of a connection a reset, which frees what its client has not read.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "a slow reader's connection is closed and not reset");
    }
}

/// Out of file descriptors, `accept` fails at once and for ever: a pause keeps that from turning into a spin.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept an HTTP connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// One connection's place under the bounds, given back on drop.
struct Place {
    /// Whose.
    address: Option<IpAddr>,
    /// Where it is counted.
    open: Arc<Mutex<HashMap<Option<IpAddr>, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
