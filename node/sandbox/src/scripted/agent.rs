//! The agent's side of [`crate::rpc`], for programs of [`super::Scripted`]: a handler of messages becomes a program.

use super::{Io, Stdout};
use crate::rpc::frame::{self, Ask, Frame, Id, Initialize, Log, Params, Tell};
use crate::rpc::{CallError, Level, Message};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait until they are written; a handler beyond that waits.
const CALLS: usize = 64;
/// What a program returns when its host spoke no sense.
const NONSENSE: i32 = 65;

/// What a handler has written.
enum Call {
    Ask(Ask, oneshot::Sender<Result<Value, CallError>>),
    Line(Bytes),
}

/// The node, as a handler sees it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Handlers' calls on their way out.
    calls: mpsc::Sender<Call>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ask(ask, _) => ask.fmt(formatter),
            Self::Line(line) => line.fmt(formatter),
        }
    }
}

impl Node {
    /// Asks another agent.
    pub async fn ask(&self, to: &str, payload: Value, timeout_ms: u64) -> Result<Value, CallError> {
        let gone = || CallError::new(CallError::INTERNAL, "the agent ends");
        let (reply, answer) = oneshot::channel();
        let ask = Ask { to: to.to_owned(), payload, timeout_ms };
        self.calls.send(Call::Ask(ask, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Tells another agent.
    pub async fn tell(&self, to: &str, payload: Value) {
        self.notify(&Tell { to: to.to_owned(), payload }).await;
    }

    /// Writes a line to the agent's log.
    pub async fn log(&self, level: Level, text: &str) {
        self.notify(&Log { level, text: text.to_owned() }).await;
    }

    async fn notify(&self, params: &impl Params) {
        // The agent ends, and its handlers with it.
        let _ = self.calls.send(Call::Line(frame::notification(params))).await;
    }
}

/// Runs an agent that answers `initialize`, hands every message to `handler`, as many at a time as come, and returns 0
/// at the end of its input.
pub async fn run<H, F>(io: Io, handler: H) -> i32
where
    H: Fn(Initialize, Message, Node) -> F + Send + Sync,
    F: Future<Output = Result<Value, CallError>> + Send + 'static,
{
    let Io { mut stdin, stdout, log: _log, .. } = io;
    let (calls, mut called) = mpsc::channel(CALLS);
    let mut agent = Agent { stdout, handler, calls, identity: None, asks: BTreeMap::new(), asked: 0 };
    let mut work = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some((id, result)) = work.next() => agent.stdout.write(frame::response(&id, &result)).await,
            Some(call) = called.recv() => agent.call(call).await,
            line = stdin.recv() => match line {
                None => return 0,
                Some(line) => match agent.take(&line).await {
                    Ok(Some(message)) => work.push(message),
                    Ok(None) => {}
                    Err(Nonsense) => return NONSENSE,
                },
            },
        }
    }
}

/// A message being handled.
type Work = BoxFuture<'static, (Id, Result<Value, CallError>)>;

/// The host broke the protocol.
struct Nonsense;

struct Agent<H> {
    /// Lines to the host.
    stdout: Stdout,
    /// What it does with a message.
    handler: H,
    /// Handlers' calls on their way out.
    calls: mpsc::Sender<Call>,
    /// Who it is, once it has been told.
    identity: Option<Initialize>,
    /// Its asks that are open, by id.
    asks: BTreeMap<i64, oneshot::Sender<Result<Value, CallError>>>,
    /// The last id of an ask.
    asked: i64,
}

impl<H, F> Agent<H>
where
    H: Fn(Initialize, Message, Node) -> F + Send + Sync,
    F: Future<Output = Result<Value, CallError>> + Send + 'static,
{
    async fn call(&mut self, call: Call) {
        match call {
            Call::Line(line) => self.stdout.write(line).await,
            Call::Ask(ask, reply) => {
                self.asked += 1;
                self.asks.insert(self.asked, reply);
                self.stdout.write(frame::request(self.asked, &ask)).await;
            }
        }
    }

    async fn take(&mut self, line: &[u8]) -> Result<Option<Work>, Nonsense> {
        match Frame::parse(line).map_err(|_| Nonsense)? {
            Frame::Response { id: Id::Number(id), result } => {
                if let Some(reply) = self.asks.remove(&id) {
                    // A handler may have given up.
                    let _ = reply.send(result);
                }
                Ok(None)
            }
            Frame::Request { id, method, params } if method == Initialize::METHOD => {
                self.identity = Some(frame::params(params).map_err(|_| Nonsense)?);
                self.stdout.write(frame::response(&id, &Ok(Value::Null))).await;
                Ok(None)
            }
            Frame::Request { id, method, params } if method == Message::METHOD => {
                let identity = self.identity.clone().ok_or(Nonsense)?;
                let message = frame::params(params).map_err(|_| Nonsense)?;
                let handled = (self.handler)(identity, message, Node { calls: self.calls.clone() });
                Ok(Some(Box::pin(async move { (id, handled.await) })))
            }
            _ => Err(Nonsense),
        }
    }
}
