//! The task between an instance's lines and its client: reads, sorts, answers.
//!
//! Calls of ours write to the agent themselves and wait for their turn; answers of ours go through this task's outbox,
//! so that it never stops reading the agent's lines to wait until the agent reads ours.

use super::frame::{self, Ask, Frame, Given, Id, Log, Params, Tell};
use super::{ASKS, CallError, Error, Inbound, Level};
use crate::{LineError, Stopper};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Answers that wait until the agent reads; beyond that nothing more is read of it.
const OUTBOX: usize = 256;
/// How long an agent may run on after it has closed its output.
const LINGER: Duration = Duration::from_secs(2);

/// Calls that wait for the agent's answer.
///
/// * An id is used once, and counts up from 1.
/// * Once `ended` is set, `calls` is empty and stays so.
#[derive(Debug)]
pub(super) struct Pending {
    /// The calls. Locked for moments only.
    calls: Mutex<Calls>,
    /// Why the agent can be called no more, once that is so.
    ended: watch::Sender<Option<String>>,
}

#[derive(Debug)]
struct Calls {
    /// The last id that was used.
    last_id: i64,
    /// Where answers go, by id.
    open: BTreeMap<i64, oneshot::Sender<Result<Value, CallError>>>,
}

/// A call that waits. Dropping it forgets the call.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The call's id.
    id: i64,
    /// Where its answer comes.
    answer: oneshot::Receiver<Result<Value, CallError>>,
    /// The calls it is one of.
    pending: Arc<Pending>,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self { calls: Mutex::new(Calls { last_id: 0, open: BTreeMap::new() }), ended: watch::Sender::new(None) }
    }

    /// A new call.
    pub(super) fn register(self: &Arc<Self>) -> Result<Ticket, Error> {
        let mut calls = self.lock();
        if let Some(reason) = &*self.ended.borrow() {
            return Err(Error::Ended { reason: reason.clone() });
        }
        let id = calls.last_id + 1;
        calls.last_id = id;
        let (reply, answer) = oneshot::channel();
        calls.open.insert(id, reply);
        Ok(Ticket { id, answer, pending: Arc::clone(self) })
    }

    /// Returns once the agent has ended.
    pub(super) async fn closed(&self) {
        // The sender is `self`: it cannot be gone.
        let _ = self.ended.subscribe().wait_for(Option::is_some).await;
    }

    /// The reason of the end, or that one if there is none yet.
    pub(super) fn ended_or(&self, otherwise: &str) -> Error {
        Error::Ended { reason: self.ended.borrow().clone().unwrap_or_else(|| otherwise.to_owned()) }
    }

    fn settle(&self, id: &Id, result: Result<Value, CallError>) -> Result<(), String> {
        let mut calls = self.lock();
        match id {
            Id::Number(id) if (1..=calls.last_id).contains(id) => {
                // Nobody waits any more for an answer that comes late or twice.
                if let Some(reply) = calls.open.remove(id) {
                    let _ = reply.send(result);
                }
                Ok(())
            }
            _ => Err(format!("it answers a call that was never made: {id:?}")),
        }
    }

    fn end(&self, reason: &str) {
        let mut calls = self.lock();
        self.ended.send_replace(Some(reason.to_owned()));
        calls.open.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    pub(super) async fn answer(mut self) -> Result<Value, Error> {
        match (&mut self.answer).await {
            Ok(result) => result.map_err(Error::Refused),
            Err(_) => Err(self.pending.ended_or("it ended")),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.lock().open.remove(&self.id);
    }
}

/// An answer to a call of the agent's.
type Reply = (Id, Result<Value, CallError>);

/// The task.
///
/// * `replies` holds at most [`ASKS`] futures, `outbox` at most [`OUTBOX`] lines and one for each of `replies`.
pub(super) struct Pump {
    /// Lines for the agent.
    stdin: mpsc::Sender<Bytes>,
    /// Lines of the agent.
    stdout: mpsc::Receiver<Result<Bytes, LineError>>,
    /// What the agent wants.
    inbound: mpsc::Sender<Inbound>,
    /// Ends the agent.
    stopper: Stopper,
    /// The calls it is one of.
    pending: Arc<Pending>,
    /// The agent's asks that are open.
    replies: FuturesUnordered<BoxFuture<'static, Reply>>,
    /// Answers that wait until the agent reads.
    outbox: VecDeque<Bytes>,
}

/// Why the pump stops.
enum End {
    /// The agent's output has ended.
    Finished,
    /// The agent broke the protocol.
    Broken(String),
    /// Nobody listens on our side.
    Unheard,
}

impl Pump {
    pub(super) fn new(
        stdin: mpsc::Sender<Bytes>,
        stdout: mpsc::Receiver<Result<Bytes, LineError>>,
        inbound: mpsc::Sender<Inbound>,
        stopper: Stopper,
        pending: Arc<Pending>,
    ) -> Self {
        Self { stdin, stdout, inbound, stopper, pending, replies: FuturesUnordered::new(), outbox: VecDeque::new() }
    }

    pub(super) async fn run(mut self) {
        let end = self.turn().await;
        match end {
            End::Finished => {
                self.pending.end("its output has ended");
                self.let_go().await;
            }
            End::Broken(reason) => {
                self.pending.end(&reason);
                self.stopper.end(reason.clone());
                let _ = self.inbound.send(Inbound::Broken(reason)).await;
            }
            End::Unheard => self.pending.end("its host has let go of it"),
        }
    }

    /// An agent without output is of no use, but may still be on its way out.
    async fn let_go(self) {
        let Self { stopper, inbound, .. } = self;
        drop(inbound);
        tokio::time::sleep(LINGER).await;
        stopper.end("it closed its output and ran on");
    }

    async fn turn(&mut self) -> End {
        loop {
            let full = self.outbox.len() >= OUTBOX;
            let step = tokio::select! {
                biased;
                () = self.inbound.closed() => Err(End::Unheard),
                Some((id, result)) = self.replies.next() => self.answer(&id, result),
                () = send_first(&self.stdin, &mut self.outbox), if !self.outbox.is_empty() => Ok(()),
                line = self.stdout.recv(), if !full => self.take(line).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn answer(&mut self, id: &Id, result: Result<Value, CallError>) -> Result<(), End> {
        let line = frame::response(id, &result);
        if line.len() > crate::lines::LINE {
            let too_long = CallError::new(CallError::INTERNAL, "the answer is longer than a line may be");
            self.outbox.push_back(frame::response(id, &Err(too_long)));
        } else {
            self.outbox.push_back(line);
        }
        debug_assert!(self.outbox.len() <= OUTBOX + ASKS);
        Ok(())
    }

    async fn take(&mut self, line: Option<Result<Bytes, LineError>>) -> Result<(), End> {
        let line = match line {
            None => return Err(End::Finished),
            Some(Err(error)) => return Err(End::Broken(error.to_string())),
            Some(Ok(line)) if line.trim_ascii().is_empty() => return Ok(()),
            Some(Ok(line)) => line,
        };
        match Frame::parse(&line).map_err(End::Broken)? {
            Frame::Response { id, result } => self.pending.settle(&id, result).map_err(End::Broken),
            Frame::Request { id, method, params } => self.request(id, &method, params).await,
            Frame::Notification { method, params } => {
                let told = notification(&method, params);
                self.inbound.send(told).await.map_err(|_| End::Unheard)
            }
        }
    }

    async fn request(&mut self, id: Id, method: &str, params: Given) -> Result<(), End> {
        let ask = match method {
            Ask::METHOD => frame::params::<Ask>(params),
            Tell::METHOD | Log::METHOD => Err(CallError::new(
                CallError::INVALID_REQUEST,
                format!("{method} is a notification: send it without an id"),
            )),
            _ => Err(CallError::new(CallError::METHOD_NOT_FOUND, format!("there is no method {method:?}"))),
        };
        let ask = match ask {
            Ok(_) if self.replies.len() >= ASKS => {
                Err(CallError::new(CallError::BUSY, format!("{ASKS} asks are open already")))
            }
            ask => ask,
        };
        match ask {
            Ok(Ask { to, payload, timeout_ms }) => {
                let (reply, answer) = oneshot::channel();
                self.replies.push(Box::pin(await_reply(id, answer)));
                let ask = Inbound::Ask { to, payload, timeout_ms, reply };
                self.inbound.send(ask).await.map_err(|_| End::Unheard)
            }
            Err(error) => self.answer(&id, Err(error)),
        }
    }
}

/// Takes the first line out of the outbox once there is room for it. An agent that reads no more loses it, and is heard
/// on: its output says how it goes on.
async fn send_first(stdin: &mpsc::Sender<Bytes>, outbox: &mut VecDeque<Bytes>) {
    let permit = stdin.reserve().await;
    if let (Some(line), Ok(permit)) = (outbox.pop_front(), permit) {
        permit.send(line);
    }
}

async fn await_reply(id: Id, answer: oneshot::Receiver<Result<Value, CallError>>) -> Reply {
    let dropped = || Err(CallError::new(CallError::INTERNAL, "the node did not answer"));
    (id, answer.await.unwrap_or_else(|_| dropped()))
}

/// What a notification says. One that makes no sense cannot be answered: it goes to the agent's log.
fn notification(method: &str, params: Given) -> Inbound {
    let known = match method {
        Tell::METHOD => frame::params::<Tell>(params).map(|Tell { to, payload }| Inbound::Tell { to, payload }),
        Log::METHOD => frame::params::<Log>(params).map(|Log { level, text }| Inbound::Log { level, text }),
        Ask::METHOD => Err(CallError::new(CallError::INVALID_REQUEST, "ask is a request: send it with an id")),
        _ => Err(CallError::new(CallError::METHOD_NOT_FOUND, format!("there is no method {method:?}"))),
    };
    known.unwrap_or_else(|error| Inbound::Log {
        level: Level::Warn,
        text: format!("a notification was ignored: {}", error.message),
    })
}
