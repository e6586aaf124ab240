//! The accept loop: TCP and the unix socket, with bounds that a library's plain `serve` does not have.
//!
//! Bounds: over TCP 32 connections that have shown no token, for 10 s each, and 512 that have; on the unix socket 512. The first
//! byte within 5 s, headers within 10 s; a client that does not read its answers may keep them waiting for 30 s. Over a bound a
//! connection is answered 503 and closed. (Bodies are bounded in [`crate::routes`].)

pub mod connections;
mod paced;
mod refusal;

use crate::auth::Listener;
use axum::Router;
use connections::{Connections, Limits, Place};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use paced::Paced;
use refusal::Refusals;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep_until, timeout};
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
    pub limits: Limits,
    /// How long a connection over TCP may be open without having shown a token.
    pub anonymous: Duration,
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
            limits: Limits { anonymous: 32, authenticated: 512 },
            anonymous: Duration::from_secs(10),
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

/// Told to handlers that wait for something: the node stops, and they are to answer with what they have.
#[derive(Clone)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Returns when the node stops, if that is told at all.
    pub async fn wait(told: Option<&Self>) {
        match told {
            Some(Self(cancel)) => cancel.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Service {
    /// The routes.
    router: Router,
    /// The bounds.
    options: Arc<Options>,
    /// The connections that are open.
    connections: Connections,
    /// How those that are not served are told.
    refusals: Refusals,
    /// Ends every connection.
    cancel: CancellationToken,
}

impl Bound {
    /// Serves until `cancel`, then lets open requests end.
    pub async fn serve(self, router: Router, cancel: CancellationToken) {
        let tracker = TaskTracker::new();
        let connections = Connections::new(self.options.limits);
        let (options, refusals) = (Arc::new(self.options), Refusals::default());
        let service = Service { router, options, connections, refusals, cancel: cancel.clone() };
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                accepted = self.tcp.accept() => match accepted {
                    Ok((stream, _)) => service.admit_tcp(&tracker, stream),
                    Err(error) => pause(&error).await,
                },
                accepted = self.unix.accept() => match accepted {
                    Ok((stream, _)) => service.admit_unix(&tracker, stream),
                    Err(error) => pause(&error).await,
                },
            }
        }
        tracker.close();
        let _ = timeout(Duration::from_secs(2), tracker.wait()).await;
        let _ = std::fs::remove_file(&service.options.socket);
    }
}

impl Service {
    fn admit_tcp(&self, tracker: &TaskTracker, stream: TcpStream) {
        let (service, place) = (self.clone(), self.connections.anonymous());
        tracker.spawn(async move {
            match place {
                Ok(place) => service.tcp(stream, Arc::new(place)).await,
                Err(connections::Full) => service.refusals.refuse(stream).await,
            }
        });
    }

    fn admit_unix(&self, tracker: &TaskTracker, stream: UnixStream) {
        let own =
            stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == rustix::process::getuid().as_raw());
        if !own {
            return;
        }
        let (service, place) = (self.clone(), self.connections.local());
        tracker.spawn(async move {
            match place {
                Ok(place) => service.connection(stream, |_| (), Listener::Unix, Arc::new(place)).await,
                Err(connections::Full) => service.refusals.refuse(stream).await,
            }
        });
    }

    async fn tcp(&self, stream: TcpStream, place: Arc<Place>) {
        // Looked at and not only waited for: a socket may be called readable before anything has come.
        let mut first = [0];
        let spoke = tokio::select! {
            looked = timeout(self.options.first_byte, stream.peek(&mut first)) => matches!(looked, Ok(Ok(1))),
            () = place.displaced() => return self.refusals.refuse(stream).await,
        };
        if spoke {
            self.connection(stream, reset, Listener::Tcp, place).await;
        }
    }

    /// Serves a connection to its end: its own, that of its time without a token, or that of its place.
    async fn connection<S>(&self, stream: S, abort: fn(&S), listener: Listener, place: Arc<Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let until = Instant::now() + self.options.anonymous;
        let stopping = axum::Extension(Stopping(self.cancel.clone()));
        let routes = self.router.clone().layer(axum::Extension(listener)).layer(axum::Extension(place.clone()));
        let routes = routes.layer(stopping);
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.headers)
            .serve_connection(
                TokioIo::new(Paced::new(stream, self.options.reader, abort)),
                TowerToHyperService::new(routes),
            );
        let why = tokio::select! {
            ended = &mut connection => return logged(ended),
            () = self.over(&place, until) => Why::Anonymous,
            () = place.displaced() => Why::Displaced,
            () = self.cancel.cancelled() => Why::Stopping,
        };
        match why {
            Why::Displaced => {
                let stream = connection.into_parts().io.into_inner().into_inner();
                self.refusals.refuse(stream).await;
            }
            Why::Anonymous if !place.is_answered() => {}
            Why::Anonymous | Why::Stopping => {
                Pin::new(&mut connection).graceful_shutdown();
                logged(connection.await);
            }
        }
    }

    /// Ends at `until`, if the connection has shown no token by then.
    async fn over(&self, place: &Place, until: Instant) {
        sleep_until(until).await;
        if !place.is_anonymous() {
            std::future::pending::<()>().await;
        }
    }
}

/// Why a connection is ended that has not ended itself.
enum Why {
    /// It has shown no token for too long.
    Anonymous,
    /// Another has taken its place.
    Displaced,
    /// The node stops.
    Stopping,
}

fn logged(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended with an error");
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
