//! The calling half of a lane on one connection.
//!
//! [`Caller`] numbers a request, queues its frame and returns a future that awaits the answer. A task ([`run`]) opens the
//! substream at the first frame, writes what may be sent with one flush a batch, and matches answers.
//!
//! - Frames of one group leave in the order of the calls: number and place in the queue are taken under one lock.
//! - Every open request is answered once: by its answer, its deadline, or the end of substream or connection.
//! - A request that was given up before it left does not leave, but for Raft's; at its deadline not even that.
//! - An answer whose request was given up returns what the request took of the window; the substream stays.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::io::WriteHalf;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::Stream;
use symbi_model::GroupId;
use tokio::sync::{Notify, oneshot};

use super::frame::{self, BATCH_BYTES, Frame, Kind};
use super::keepalive::Heard;
use super::queue::{Place, Queues, Reply};
use super::window::Window;
use super::{Lane, MAX_BODY};
use crate::CallError;
use crate::counters::Counters;
use crate::substream::Refusal;

/// Frames taken from the queues for one flush.
const BATCH_FRAMES: usize = 64;

/// The calling half. Clones are the same lane.
#[derive(Clone)]
pub(crate) struct Caller {
    /// What callers and the task share.
    shared: Arc<Shared>,
}

/// What callers and the task share.
struct Shared {
    /// The lane.
    lane: Lane,
    /// What waits, or why nothing may any more.
    state: Mutex<State>,
    /// Wakes the task: a frame may be sent, or the lane is over.
    wake: Notify,
    /// Where timed-out and refused calls are counted.
    counters: Arc<Counters>,
}

/// The queues, and whether they are in use.
struct State {
    /// What waits and what is open.
    queues: Queues,
    /// Why the lane is over, if it is.
    over: Option<CallError>,
}

/// A place in a lane's queue, to be used or dropped. See [`crate::Handle::reserve`].
pub struct Slot {
    /// The lane.
    caller: Caller,
    /// The group.
    group: GroupId,
    /// The place.
    place: Place,
}

/// Gives a request up when its caller goes away, answered or not.
struct GiveUp {
    /// The lane.
    caller: Caller,
    /// The request.
    id: u64,
    /// Whether it leaves all the same, if it has not yet.
    still_leaves: bool,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        let is_ready = {
            let mut state = self.caller.lock();
            state.queues.give_up(self.id, self.still_leaves);
            state.queues.is_ready()
        };
        // What stood behind it may be shorter, and fit.
        if is_ready {
            self.caller.shared.wake.notify_one();
        }
    }
}

impl Slot {
    /// Sends `body` in this place, and awaits the answer until `deadline` from now; otherwise as [`crate::Handle::call`].
    #[must_use = "the answer comes to the future"]
    pub fn call(mut self, body: Bytes, deadline: Duration) -> BoxFuture<'static, Result<Bytes, CallError>> {
        if body.len() > MAX_BODY {
            return std::future::ready(Err(CallError::Refused)).boxed();
        }
        self.place.shrink(body.len());
        self.caller.post(self.group, body, Some(self.place), deadline)
    }
}

impl Caller {
    /// A lane that has sent nothing yet.
    pub(crate) fn new(lane: Lane, counters: Arc<Counters>) -> Self {
        let state = State { queues: Queues::new(Window::of(lane)), over: None };
        Self { shared: Arc::new(Shared { lane, state: Mutex::new(state), wake: Notify::new(), counters }) }
    }

    /// Queues a request now, and awaits its answer until `deadline` from now.
    pub(crate) fn call(
        &self,
        group: GroupId,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        if body.len() > MAX_BODY {
            return std::future::ready(Err(CallError::Refused)).boxed();
        }
        self.post(group, body, None, deadline)
    }

    /// Waits for a place in a group's queue.
    pub(crate) fn reserve(&self, group: GroupId) -> BoxFuture<'static, Result<Slot, CallError>> {
        let room = {
            let mut state = self.lock();
            match &state.over {
                Some(error) => return std::future::ready(Err(unsent(error))).boxed(),
                None => state.queues.room(group),
            }
        };
        let caller = self.clone();
        async move {
            match room.place().await {
                Some(place) => Ok(Slot { caller, group, place }),
                None => Err(unsent(&CallError::Closed)),
            }
        }
        .boxed()
    }

    /// Numbers and queues a request, in `place` if it has one.
    fn post(
        &self,
        group: GroupId,
        body: Bytes,
        place: Option<Place>,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (reply, answer) = oneshot::channel();
        let id = {
            let mut state = self.lock();
            if let Some(error) = &state.over {
                return std::future::ready(Err(unsent(error))).boxed();
            }
            let place = place.or_else(|| state.queues.room(group).try_place(body.len()));
            let Some(place) = place else {
                self.shared.counters.queues_full.add();
                return std::future::ready(Err(CallError::Full)).boxed();
            };
            state.queues.push(group, body, place, reply)
        };
        self.shared.wake.notify_one();
        let still_leaves = self.shared.lane.sends_what_nobody_awaits();
        let mut given_up = GiveUp { caller: self.clone(), id, still_leaves };
        let answer = tokio::time::timeout(deadline, answer);
        async move {
            match answer.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(CallError::Closed),
                Err(_) => {
                    // Its answer would come too late, whoever hears it.
                    given_up.still_leaves = false;
                    given_up.caller.shared.counters.calls_timed_out.add();
                    Err(CallError::TimedOut)
                }
            }
        }
        .boxed()
    }

    /// The shared state; a panic elsewhere leaves it whole, since no mutation of it can.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a frame may be sent; false once the lane is over.
    async fn ready(&self) -> bool {
        loop {
            {
                let state = self.lock();
                if state.over.is_some() {
                    return false;
                }
                if state.queues.is_ready() {
                    return true;
                }
            }
            // One task waits, and a wake that comes first is kept for it.
            self.shared.wake.notified().await;
        }
    }

    /// Takes what one flush carries.
    fn take(&self, batch: &mut Vec<Frame>) {
        let mut state = self.lock();
        batch.extend(std::iter::from_fn(|| state.queues.pop()).take(BATCH_FRAMES));
    }

    /// Gives a request its answer, if somebody still wants it.
    fn complete(&self, id: u64, answer: Result<Bytes, CallError>) {
        let (reply, is_ready) = {
            let mut state = self.lock();
            (state.queues.answered(id), state.queues.is_ready())
        };
        if is_ready {
            self.shared.wake.notify_one();
        }
        if let Some(reply) = reply {
            let _ = reply.send(answer);
        }
    }

    /// Ends all open requests, and what waits with them, so that none is sent later.
    fn fail(&self, error: &CallError) {
        let waiting = self.lock().queues.fail();
        end(waiting, error);
    }

    /// Ends the lane: open requests and all later ones end in `error`.
    pub(crate) fn close(&self, error: &CallError) {
        let waiting = {
            let mut state = self.lock();
            state.over = Some(error.clone());
            state.queues.close()
        };
        end(waiting, error);
        self.shared.wake.notify_one();
    }
}

/// Ends requests in `error`.
fn end(waiting: Vec<(Reply, bool)>, error: &CallError) {
    for (reply, has_left) in waiting {
        let error = if has_left { error.clone() } else { unsent(error) };
        let _ = reply.send(Err(error));
    }
}

/// How a request ends that has not left: it certainly did not arrive.
fn unsent(error: &CallError) -> CallError {
    match error {
        CallError::Closed => CallError::Unreachable("the connection has ended".to_owned()),
        error => error.clone(),
    }
}

/// Carries the lane until it is closed or the peer lacks it. `open` opens its substream; an error of kind `InvalidData` is
/// the peer's fault.
pub(crate) async fn run<F>(caller: Caller, heard: Heard, open: impl Fn() -> F) -> io::Result<()>
where
    F: Future<Output = Result<Stream, Refusal>>,
{
    while caller.ready().await {
        let error = match open().await {
            Ok(stream) => match carry(&caller, stream, &heard).await {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
                _ => CallError::Closed,
            },
            Err(Refusal::Unsupported) => {
                tracing::debug!(protocol = caller.shared.lane.protocol(), "the peer does not offer a lane");
                caller.close(&CallError::Unsupported);
                return Ok(());
            }
            Err(Refusal::Failed(reason)) => CallError::Unreachable(reason),
        };
        caller.fail(&error);
    }
    Ok(())
}

/// Writes and reads one substream until it ends.
async fn carry(caller: &Caller, stream: Stream, heard: &Heard) -> io::Result<()> {
    let (reader, writer) = frame::split(stream);
    tokio::select! {
        ended = write(caller, writer) => ended,
        ended = read(caller, reader, heard) => ended,
    }
}

/// Writes what may be sent, one flush a batch.
async fn write(caller: &Caller, mut writer: WriteHalf<Stream>) -> io::Result<()> {
    let (mut batch, mut out) = (Vec::with_capacity(BATCH_FRAMES), BytesMut::new());
    while caller.ready().await {
        caller.take(&mut batch);
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
    }
    Ok(())
}

/// Matches answers.
async fn read(caller: &Caller, mut reader: frame::Reader, heard: &Heard) -> io::Result<()> {
    while let Some(bytes) = reader.next().await {
        let frame = frame::decode(bytes?).map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))?;
        heard.touch();
        match frame.kind {
            Kind::Response => caller.complete(frame.id, Ok(frame.body)),
            Kind::Dropped => caller.complete(frame.id, Err(CallError::Closed)),
            Kind::Unsupported => caller.complete(frame.id, Err(CallError::Unsupported)),
            Kind::Request | Kind::Unknown(_) => {
                caller.shared.counters.frames_unsupported.add();
                // Whatever it says, it is all that will be said of this request, which may have been carried out.
                caller.complete(frame.id, Err(CallError::Closed));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_of_a_lane_that_is_over_certainly_did_not_arrive() {
        let (caller, group) = (Caller::new(Lane::Message, Arc::default()), GroupId(0));
        let slot = caller.reserve(group).await.expect("there is room");
        let waiting = caller.call(group, Bytes::new(), Duration::from_secs(1));
        caller.close(&CallError::Closed);
        let late = slot.call(Bytes::new(), Duration::from_secs(1)).await;
        for ended in [waiting.await, late, caller.reserve(group).await.map(|_| Bytes::new())] {
            assert!(matches!(&ended, Err(CallError::Unreachable(_))), "{ended:?}");
        }
    }
}
