//! Sends a snapshot: its beginning, then its frames, a few of them on their way at once, then its end.

use super::{Client, Failure};
use crate::disk::format::{LogId, Membership, Vote};
use crate::entry::Data;
use crate::link::Kind;
use crate::machine::frames::Frames;
use crate::machine::{Capture, Image};
use crate::transfers::Transfer;
use crate::types::{self, Snapshot, Types};
use crate::wire::{Begin, Body, Reply};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use openraft::StorageError;
use openraft::errors::{StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use std::io;
use std::time::Duration;

/// How many frames may be on their way. A receiver refuses more.
pub const IN_FLIGHT: usize = 8;

impl<I: Image> Client<I> {
    /// Sends a snapshot and waits until it is installed.
    pub(super) async fn send(
        &self,
        vote: types::Vote,
        snapshot: Snapshot<Capture<I>>,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let transfer = self.shared.transfers.begin(self.target.node, snapshot.snapshot.last);
        let begin = Begin {
            transfer: transfer.number,
            vote: Vote::from(&vote),
            last: snapshot.meta.last_log_id.as_ref().map(LogId::from),
            membership: Membership::from(&snapshot.meta.last_membership),
            header: snapshot.snapshot.header(),
        };
        self.step(Body::Begin(begin), self.shared.options.snapshot_deadline).await?;
        let frames = self.frames(snapshot.snapshot.frames(), &transfer).await?;
        let end = Body::End { transfer: transfer.number, frames };
        match self.step(end, self.shared.options.install_deadline).await? {
            Reply::Installed(vote) => {
                transfer.arrived();
                Ok(SnapshotResponse::new(vote.into()))
            }
            other => Err(refused(&other)),
        }
    }

    /// Sends the frames; says how many there were.
    async fn frames(&self, frames: Frames, transfer: &Transfer) -> Result<u64, StreamingError<Types>> {
        let deadline = self.shared.options.snapshot_deadline;
        let answers = self.cut(frames).enumerate().map(|(sequence, frame)| {
            let frame = frame.map(|frame| (frame.len(), Data(frame)));
            // Queued here, in their order; what follows only waits.
            let answer = frame.map(|(bytes, frame)| {
                let body = Body::Frame { transfer: transfer.number, sequence: sequence as u64, frame };
                (bytes, self.step(body, deadline))
            });
            async move {
                let (bytes, answer) = answer.map_err(unreadable)?;
                answer.await.inspect(|_| transfer.taken(bytes))
            }
        });
        answers.buffered(IN_FLIGHT).try_fold(0, async |count, _| Ok(count + 1)).await
    }

    /// The frames, each made where it holds up nothing else.
    fn cut(&self, frames: Frames) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let work = self.shared.options.work;
        stream::unfold(Some(frames), move |frames| async move {
            let mut frames = frames?;
            match work.run(move || (frames.next(), frames)).await {
                Ok((Some(Ok(frame)), frames)) => Some((Ok(frame), Some(frames))),
                Ok((Some(Err(error)), _)) | Err(error) => Some((Err(error), None)),
                Ok((None, _)) => None,
            }
        })
    }

    /// Queues a request now; the future awaits that it is taken.
    fn step(
        &self,
        body: Body,
        deadline: Duration,
    ) -> impl Future<Output = Result<Reply, StreamingError<Types>>> + Send + 'static {
        let answer = self.call(Kind::Snapshot, body, deadline);
        async move {
            match answer.await.map_err(unreachable)? {
                reply @ (Reply::Continue | Reply::Installed(_)) => Ok(reply),
                other => Err(refused(&other)),
            }
        }
    }
}

fn unreadable(error: io::Error) -> StreamingError<Types> {
    let (subject, verb) = (openraft::ErrorSubject::Snapshot(None), openraft::ErrorVerb::Read);
    StorageError::from_io_error(subject, verb, error).into()
}

/// Any failure: the only error after which openraft waits before it tries again.
fn unreachable(failure: Failure) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::new(&failure))
}

fn refused(reply: &Reply) -> StreamingError<Types> {
    let what = format!("the snapshot was not taken: {reply:?}");
    StreamingError::Unreachable(Unreachable::from_string(what))
}
