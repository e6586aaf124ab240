//! The calling half of a lane on one connection.
//!
//! [`Caller`] is the face: it numbers a request, queues its frame and returns a future that awaits the answer. A task
//! ([`run`]) opens the substream at the first frame, writes what is queued with one flush a batch, and matches answers.
//!
//! - Frames leave in the order of the calls: number and place in the queue are taken under one lock.
//! - Every open request is answered once: by its answer, its deadline, or the end of substream or connection.
//! - An answer whose request was given up is ignored; the substream stays.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::io::WriteHalf;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::Stream;
use tokio::sync::{mpsc, oneshot};

use super::MAX_BODY;
use super::frame::{self, BATCH_BYTES, Frame, Kind};
use super::keepalive::Heard;
use crate::CallError;
use crate::counters::Counters;
use crate::substream::Refusal;

/// Frames that may wait to be written.
const QUEUE_FRAMES: usize = 1024;
/// Bytes that may wait to be written: a few of the longest bodies.
const QUEUE_BYTES: usize = 16 << 20;
/// Frames taken from the queue for one flush.
const BATCH_FRAMES: usize = 64;

/// The face of a lane. Clones are the same lane.
#[derive(Clone)]
pub(crate) struct Caller {
    /// What the task shares.
    state: Arc<Mutex<State>>,
    /// Where timed-out and refused calls are counted.
    counters: Arc<Counters>,
}

/// What callers and the task share.
struct State {
    /// The queue, until the lane is over.
    queue: Result<mpsc::Sender<Frame>, CallError>,
    /// Bytes in the queue.
    queued: usize,
    /// The next request's number.
    next: u64,
    /// Who awaits which answer.
    waiting: BTreeMap<u64, oneshot::Sender<Result<Bytes, CallError>>>,
}

/// Forgets a request when its caller goes away, answered or not.
struct Forget {
    /// The lane.
    caller: Caller,
    /// The request.
    id: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.caller.lock().waiting.remove(&self.id);
    }
}

impl Caller {
    /// A lane, and the queue for its task.
    pub(crate) fn new(counters: Arc<Counters>) -> (Self, mpsc::Receiver<Frame>) {
        let (queue, frames) = mpsc::channel(QUEUE_FRAMES);
        let state = State { queue: Ok(queue), queued: 0, next: 0, waiting: BTreeMap::new() };
        (Self { state: Arc::new(Mutex::new(state)), counters }, frames)
    }

    /// Queues a request now, and awaits its answer until `deadline` from now.
    pub(crate) fn call(&self, body: Bytes, deadline: Duration) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (id, answer) = match self.post(body) {
            Ok(posted) => posted,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        let forget = Forget { caller: self.clone(), id };
        let answer = tokio::time::timeout(deadline, answer);
        async move {
            match answer.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(CallError::Closed),
                Err(_) => {
                    forget.caller.counters.calls_timed_out.add();
                    Err(CallError::TimedOut)
                }
            }
        }
        .boxed()
    }

    /// Numbers and queues a request.
    fn post(&self, body: Bytes) -> Result<(u64, oneshot::Receiver<Result<Bytes, CallError>>), CallError> {
        if body.len() > MAX_BODY {
            return Err(CallError::Refused);
        }
        let mut state = self.lock();
        let queue = state.queue.as_ref().map_err(Clone::clone)?;
        let (id, bytes) = (state.next, body.len());
        if state.queued + bytes > QUEUE_BYTES || queue.try_send(Frame { id, kind: Kind::Request, body }).is_err() {
            self.counters.queues_full.add();
            return Err(CallError::Unreachable("the lane's queue is full".to_owned()));
        }
        let (sender, receiver) = oneshot::channel();
        state.next += 1;
        state.queued += bytes;
        state.waiting.insert(id, sender);
        Ok((id, receiver))
    }

    /// The shared state; a panic elsewhere leaves it whole, since no mutation of it can.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a request its answer, if somebody still wants it.
    fn complete(&self, id: u64, answer: Result<Bytes, CallError>) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    /// Ends all open requests; `frames` is emptied with them, so that none is sent later.
    fn fail(&self, frames: &mut mpsc::Receiver<Frame>, error: &CallError) {
        let mut state = self.lock();
        while frames.try_recv().is_ok() {}
        state.queued = 0;
        for waiting in std::mem::take(&mut state.waiting).into_values() {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    /// Ends the lane: open requests and all later ones end in `error`.
    pub(crate) fn close(&self, error: &CallError) {
        let mut state = self.lock();
        state.queue = Err(error.clone());
        for waiting in std::mem::take(&mut state.waiting).into_values() {
            let _ = waiting.send(Err(error.clone()));
        }
    }
}

/// Carries the lane until it is closed or refused. `open` opens its substream; an error of kind `InvalidData` is the
/// peer's fault.
pub(crate) async fn run<F>(
    caller: Caller,
    mut frames: mpsc::Receiver<Frame>,
    heard: Heard,
    open: impl Fn() -> F,
) -> io::Result<()>
where
    F: Future<Output = Result<Stream, Refusal>>,
{
    let mut batch = Vec::with_capacity(BATCH_FRAMES);
    while frames.recv_many(&mut batch, BATCH_FRAMES).await > 0 {
        let error = match open().await {
            Ok(stream) => match carry(&caller, stream, &mut frames, &mut batch, &heard).await {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                _ => CallError::Closed,
            },
            Err(Refusal::Unsupported) => {
                caller.close(&CallError::Refused);
                return Ok(());
            }
            Err(Refusal::Failed(reason)) => CallError::Unreachable(reason),
        };
        batch.clear();
        caller.fail(&mut frames, &error);
    }
    Ok(())
}

/// Writes and reads one substream until it ends.
async fn carry(
    caller: &Caller,
    stream: Stream,
    frames: &mut mpsc::Receiver<Frame>,
    batch: &mut Vec<Frame>,
    heard: &Heard,
) -> io::Result<()> {
    let (reader, writer) = frame::split(stream);
    tokio::select! {
        ended = write(caller, writer, frames, batch) => ended,
        ended = read(caller, reader, heard) => ended,
    }
}

/// Writes what is queued, one flush a batch.
async fn write(
    caller: &Caller,
    mut writer: WriteHalf<Stream>,
    frames: &mut mpsc::Receiver<Frame>,
    batch: &mut Vec<Frame>,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    loop {
        let bytes: usize = batch.iter().map(|frame| frame.body.len()).sum();
        for frame in batch.drain(..) {
            frame::encode(&frame, &mut out);
            if out.len() >= BATCH_BYTES {
                writer.write_all(&out).await?;
                out.clear();
            }
        }
        writer.write_all(&out).await?;
        writer.flush().await?;
        out.clear();
        {
            let mut state = caller.lock();
            state.queued = state.queued.saturating_sub(bytes);
        }
        if frames.recv_many(batch, BATCH_FRAMES).await == 0 {
            return Ok(());
        }
    }
}

/// Matches answers.
async fn read(caller: &Caller, mut reader: frame::Reader, heard: &Heard) -> io::Result<()> {
    while let Some(bytes) = reader.next().await {
        let frame = frame::decode(bytes?).map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))?;
        heard.touch();
        match frame.kind {
            Kind::Response => caller.complete(frame.id, Ok(frame.body)),
            Kind::Dropped => caller.complete(frame.id, Err(CallError::Closed)),
            Kind::Request => return Err(io::Error::new(io::ErrorKind::InvalidData, "a request where answers go")),
        }
    }
    Ok(())
}
