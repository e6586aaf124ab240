//! A connection that is kept for many requests, one after the other.

use super::{Client, Error, Target};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// A connection to a node. It is not made anew when it is lost.
#[derive(Debug)]
pub struct Connection {
    /// Whose it is.
    client: Client,
    /// Takes requests.
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Reads and writes; ends with this.
    _running: AbortOnDropHandle<()>,
}

impl Client {
    /// Connects, for many requests.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(&self) -> Result<Connection, Error> {
        match &self.target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| self.unreachable(&error))?;
                // A request is one small write, and its answer is waited for.
                stream.set_nodelay(true).map_err(|error| self.unreachable(&error))?;
                self.over(stream).await
            }
            Target::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| self.unreachable(&error))?;
                self.over(stream).await
            }
        }
    }

    async fn over(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, Error> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let running = tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { client: self.clone(), sender, _running: AbortOnDropHandle::new(running) })
    }
}

impl Connection {
    /// `method path` with a JSON body, as JSON.
    ///
    /// # Errors
    /// Why there is no answer, or what the node said.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let request = self.client.request(method, path, body, &[])?;
        let patience = self.client.timeout;
        timeout(patience, self.exchange(request)).await.map_err(|_| Error::TimedOut(patience))?
    }

    /// Sends a request and takes its whole answer, JSON.
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Value, Error> {
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        if status >= 400 {
            return Err(self.client.refusal(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| Error::Garbled(error.to_string()))
    }
}

/// What became of an answer that is not whole: whoever closes a connection may well be a node.
pub(super) fn broken(error: hyper::Error) -> Error {
    let is_cut = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
    let is_reset = std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
    if is_cut || is_reset { Error::CutOff(error.to_string()) } else { Error::Garbled(error.to_string()) }
}
