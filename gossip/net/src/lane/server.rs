//! The serving half of a lane: frames in, requests to their group's queue in their order, answers out as they come.
//!
//! The reader never waits for whoever serves: what a peer may have open is bounded by its window, so every request that is
//! within it has its place in the queue at once. What is beyond it, or for a group or of a kind that is not known here, is
//! answered so and counted; the substream stays.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::io::WriteHalf;
use futures::stream::FuturesUnordered;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::Stream;
use symbi_model::{GroupId, NodeId};
use tokio::sync::{mpsc, oneshot};

use super::frame::{self, BATCH_BYTES, Frame, Kind};
use super::keepalive::Heard;
use super::window::{Used, Window};
use super::{Lane, MAX_BODY};
use crate::counters::Counters;
use crate::inbox::{Request, Served};

/// Answers that may wait to be written: only a peer that does not read them lets them become so many, and waits then.
const ANSWERS: usize = 4096;

/// Whose requests these are, and where they go.
pub(crate) struct Server {
    /// The caller.
    pub(crate) from: NodeId,
    /// The lane.
    pub(crate) lane: Lane,
    /// The queues of those who serve.
    pub(crate) served: Served,
    /// Told of every frame.
    pub(crate) heard: Heard,
    /// Where what was not taken is counted.
    pub(crate) counters: Arc<Counters>,
}

/// What this peer has open, by group.
#[derive(Clone)]
struct Opened {
    /// What may be.
    window: Window,
    /// What is.
    groups: Arc<Mutex<BTreeMap<GroupId, Used>>>,
}

/// A request that was read, and how it will be answered.
enum Waiting {
    /// By whoever serves it.
    Served {
        /// The answer's frame, but for its kind and body.
        frame: Frame,
        /// How long the request is.
        bytes: usize,
        /// The answer.
        answer: oneshot::Receiver<Bytes>,
    },
    /// With this, now.
    Now(Frame),
}

impl Opened {
    /// Takes a request in; false if it is beyond the window.
    fn add(&self, group: GroupId, bytes: usize) -> bool {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let used = groups.entry(group).or_default();
        let fits = used.has_room(&self.window, bytes);
        if fits {
            used.add(bytes);
        }
        fits
    }

    /// A request is answered.
    fn remove(&self, group: GroupId, bytes: usize) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(used) = groups.get_mut(&group) else { return };
        used.remove(bytes);
        if *used == Used::default() {
            // The group is the peer's word: one that makes them up must not fill the map.
            groups.remove(&group);
        }
    }
}

impl Server {
    /// Serves until the substream ends; an error of kind `InvalidData` is the peer's fault.
    pub(crate) async fn run(self, stream: Stream) -> io::Result<()> {
        let (reader, writer) = frame::split(stream);
        let (waiting, answers) = mpsc::channel(ANSWERS);
        let opened = Opened { window: Window::of(self.lane), groups: Arc::default() };
        // A peer that sends no more is still answered what it has asked; the end of the connection ends both.
        futures::future::try_join(self.read(reader, waiting, &opened), write(writer, answers, &opened)).await?;
        Ok(())
    }

    /// Hands requests on.
    async fn read(&self, mut reader: frame::Reader, waiting: mpsc::Sender<Waiting>, opened: &Opened) -> io::Result<()> {
        while let Some(bytes) = reader.next().await {
            let frame = frame::decode(bytes?).map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))?;
            self.heard.touch();
            let Some(next) = self.take(frame, opened) else { continue };
            if waiting.send(next).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes one frame; none if it is not to be answered.
    fn take(&self, frame: Frame, opened: &Opened) -> Option<Waiting> {
        let unsupported = |frame: &Frame| {
            if self.counters.frames_unsupported.add() {
                let (from, lane) = (self.from.short(), self.lane);
                tracing::warn!(from, ?lane, kind = ?frame.kind, group = frame.group.0, "a frame that is not known here");
            }
        };
        match frame.kind {
            Kind::Request => {}
            Kind::Unknown(_) => {
                unsupported(&frame);
                return Some(Waiting::Now(frame.bare(Kind::Unsupported)));
            }
            // An answer where requests go. It is not answered: two that err alike would never end.
            Kind::Response | Kind::Dropped | Kind::Unsupported => {
                unsupported(&frame);
                return None;
            }
        }
        let (bytes, answer_frame) = (frame.body.len(), frame.bare(Kind::Response));
        if !opened.add(frame.group, bytes) {
            self.counters.windows_exceeded.add();
            return Some(Waiting::Now(frame.bare(Kind::Dropped)));
        }
        let (reply, answer) = oneshot::channel();
        let request = Request { from: self.from, lane: self.lane, group: frame.group, body: frame.body, reply };
        if !self.served.hand_on(request) {
            opened.remove(answer_frame.group, bytes);
            unsupported(&answer_frame);
            return Some(Waiting::Now(answer_frame.bare(Kind::Unsupported)));
        }
        Some(Waiting::Served { frame: answer_frame, bytes, answer })
    }
}

/// Sends the answers, flushing once for all that are ready together.
async fn write(mut writer: WriteHalf<Stream>, mut waiting: mpsc::Receiver<Waiting>, opened: &Opened) -> io::Result<()> {
    let mut answers = FuturesUnordered::new();
    let (mut out, mut is_over) = (BytesMut::new(), false);
    while !is_over || !answers.is_empty() {
        tokio::select! {
            biased;
            Some(frame) = answers.next(), if !answers.is_empty() => frame::encode(&frame, &mut out),
            next = waiting.recv(), if !is_over => match next {
                Some(next) => answers.push(answer(next, opened.clone())),
                None => is_over = true,
            },
        }
        while out.len() < BATCH_BYTES {
            let Some(Some(frame)) = answers.next().now_or_never() else { break };
            frame::encode(&frame, &mut out);
        }
        if !out.is_empty() {
            writer.write_all(&out).await?;
            writer.flush().await?;
            out.clear();
        }
    }
    Ok(())
}

/// The frame that ends a request. What the request took of the window is free before the caller hears of it.
async fn answer(waiting: Waiting, opened: Opened) -> Frame {
    let (frame, bytes, answer) = match waiting {
        Waiting::Now(frame) => return frame,
        Waiting::Served { frame, bytes, answer } => (frame, bytes, answer),
    };
    let answer = answer.await;
    opened.remove(frame.group, bytes);
    match answer {
        Ok(body) if body.len() <= MAX_BODY => Frame { body, ..frame },
        Ok(body) => {
            tracing::warn!(bytes = body.len(), "an answer longer than a frame was dropped");
            frame.bare(Kind::Dropped)
        }
        Err(_) => frame.bare(Kind::Dropped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let (served, heard, counters) = (Served::default(), Heard::new(), Arc::default());
        Server { from: NodeId([1; 32]), lane: Lane::Append, served, heard, counters }
    }

    fn request(group: u64, id: u64) -> Frame {
        Frame { kind: Kind::Request, group: GroupId(group), id, body: Bytes::from_static(b"?") }
    }

    fn opened() -> Opened {
        Opened { window: Window::of(Lane::Append), groups: Arc::default() }
    }

    #[tokio::test]
    async fn groups_that_a_peer_makes_up_leave_nothing_behind() {
        let (server, opened) = (server(), opened());
        for group in 0..10_000 {
            let waiting = server.take(request(group, group), &opened);
            assert!(matches!(waiting, Some(Waiting::Now(frame)) if frame.kind == Kind::Unsupported));
        }
        assert_eq!(opened.groups.lock().unwrap().len(), 0, "a substream's map has what is open, and no more");
    }

    #[tokio::test]
    async fn a_group_is_forgotten_with_its_last_answer() {
        let (server, opened) = (server(), opened());
        let mut requests = server.served.add(Lane::Append, GroupId(3));
        let waiting: Vec<_> = (0..2).filter_map(|id| server.take(request(3, id), &opened)).collect();
        assert_eq!(opened.groups.lock().unwrap().len(), 1);
        for next in waiting {
            requests.recv().await.expect("it was handed on").reply.send(Bytes::new()).expect("it is awaited");
            assert_eq!(answer(next, opened.clone()).await.kind, Kind::Response);
        }
        assert!(opened.groups.lock().unwrap().is_empty());
    }
}
