//! The client of the interface: one request a connection, over TCP or a node's unix socket.

mod connection;
mod pieces;

pub use connection::Connection;
pub use pieces::Pieces;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `host:port`.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// A node's interface, as seen by a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where.
    pub target: Target,
    /// The API token, if one is needed.
    pub token: Option<String>,
    /// The file that the token was read from, for whoever is to be told that it is not good.
    pub token_file: Option<PathBuf>,
    /// How long a request may take in all.
    pub timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("cannot reach {target}: {reason}")]
    Unreachable {
        /// Where.
        target: String,
        /// What the system said.
        reason: String,
    },
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It did not answer as a node does.
    #[error("not an answer of a node: {0}")]
    Garbled(String),
    /// It ended before its end.
    #[error("the answer was cut off: {0}")]
    CutOff(String),
    /// The node refused.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// In words.
        message: String,
        /// What else there is to know.
        details: Value,
    },
}

impl Client {
    /// `GET path`, as JSON.
    ///
    /// # Errors
    /// Why there is no answer, or what the node said.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.send(Method::GET, path, None, &[]).await
    }

    /// `method path` with a JSON body and headers, as JSON.
    ///
    /// # Errors
    /// Why there is no answer, or what the node said.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, String)],
    ) -> Result<Value, Error> {
        let request = self.request(method, path, body, headers)?;
        let exchange = async { self.connect().await?.exchange(request).await };
        timeout(self.timeout, exchange).await.map_err(|_| Error::TimedOut(self.timeout))?
    }

    fn unreachable(&self, error: &std::io::Error) -> Error {
        let target = match &self.target {
            Target::Tcp(address) => address.clone(),
            Target::Unix(path) => path.display().to_string(),
        };
        Error::Unreachable { target, reason: error.to_string() }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, String)],
    ) -> Result<Request<Full<Bytes>>, Error> {
        let host = match &self.target {
            Target::Tcp(address) => address.as_str(),
            Target::Unix(_) => "localhost",
        };
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(bytes)).map_err(|error| Error::Garbled(error.to_string()))
    }

    /// What the node said. Where the token is not good, the details say which file it was read from.
    fn refusal(&self, status: u16, bytes: &Bytes) -> Error {
        let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let code = text("code").unwrap_or_else(|| format!("HTTP_{status}"));
        let message = text("error").unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
        let mut details = body.get("details").cloned().unwrap_or_default();
        if let (401, Some(file)) = (status, &self.token_file) {
            details["token_file"] = file.display().to_string().into();
        }
        Error::Refused { status, code, message, details }
    }
}

/// A path segment, percent-encoded (RFC 3986 unreserved characters stay).
#[must_use]
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
