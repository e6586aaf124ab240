//! The serving half of a lane: frames in, requests to the inbox in their order, answers out as they come.
//!
//! A full inbox makes this substream wait, and no other; at most [`IN_FLIGHT`] requests of one substream are open.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::io::WriteHalf;
use futures::stream::FuturesUnordered;
use futures::{AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::Stream;
use symbi_model::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::frame::{self, BATCH_BYTES, Frame, Kind};
use super::keepalive::Heard;
use super::{Lane, MAX_BODY};
use crate::inbox::{Outbox, Request};

/// Requests of one substream that may wait for their answers at once.
const IN_FLIGHT: usize = 4096;

/// Whose requests these are, and where they go.
pub(crate) struct Server {
    /// The caller.
    pub(crate) from: NodeId,
    /// The lane.
    pub(crate) lane: Lane,
    /// The inbox's other end.
    pub(crate) outbox: Outbox,
    /// Told of every frame.
    pub(crate) heard: Heard,
}

/// A request handed on, whose answer is awaited.
struct Waiting {
    /// The caller's number.
    id: u64,
    /// The answer.
    answer: oneshot::Receiver<Bytes>,
    /// Its place among the open requests.
    _permit: OwnedSemaphorePermit,
}

impl Server {
    /// Serves until the substream ends; an error of kind `InvalidData` is the peer's fault.
    pub(crate) async fn run(self, stream: Stream) -> io::Result<()> {
        let (reader, writer) = frame::split(stream);
        let (waiting, answers) = mpsc::channel(IN_FLIGHT);
        tokio::select! {
            ended = self.read(reader, waiting) => ended,
            ended = write(writer, answers) => ended,
        }
    }

    /// Hands requests on.
    async fn read(&self, mut reader: frame::Reader, waiting: mpsc::Sender<Waiting>) -> io::Result<()> {
        let open = Arc::new(Semaphore::new(IN_FLIGHT));
        while let Some(bytes) = reader.next().await {
            let frame = frame::decode(bytes?).map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))?;
            self.heard.touch();
            if frame.kind != Kind::Request {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer where requests go"));
            }
            let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return Ok(()) };
            let (reply, answer) = oneshot::channel();
            let request = Request { from: self.from, lane: self.lane, body: frame.body, reply };
            let handed_on = self.outbox.requests(self.lane).send(request).await;
            let written = waiting.send(Waiting { id: frame.id, answer, _permit: permit }).await;
            if handed_on.is_err() || written.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Sends the answers, flushing once for all that are ready together.
async fn write(mut writer: WriteHalf<Stream>, mut waiting: mpsc::Receiver<Waiting>) -> io::Result<()> {
    let mut answers = FuturesUnordered::new();
    let mut out = BytesMut::new();
    loop {
        tokio::select! {
            biased;
            Some(frame) = answers.next(), if !answers.is_empty() => frame::encode(&frame, &mut out),
            next = waiting.recv() => match next {
                Some(next) => answers.push(answer(next)),
                None => return Ok(()),
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
}

/// The frame that ends a request.
async fn answer(waiting: Waiting) -> Frame {
    let dropped = Frame { id: waiting.id, kind: Kind::Dropped, body: Bytes::new() };
    match waiting.answer.await {
        Ok(body) if body.len() <= MAX_BODY => Frame { id: waiting.id, kind: Kind::Response, body },
        Ok(body) => {
            tracing::warn!(bytes = body.len(), "an answer longer than a frame was dropped");
            dropped
        }
        Err(_) => dropped,
    }
}
