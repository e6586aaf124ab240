//! Sends a snapshot: its beginning, then its frames, a few of them on their way at once, then its end.
//!
//! It may take as long as it takes, so long as it gets on: what has a deadline is the next frame to be taken, from when the
//! one before it was. So a slow link carries it all the same, and one that is dead is given up soon.

use super::{Client, Failure};
use crate::disk::format::{LogId, Membership, Vote};
use crate::entry::Data;
use crate::link::{Kind, LinkError};
use crate::machine::frames::Frames;
use crate::machine::{Capture, Image};
use crate::transfers::Transfer;
use crate::types::{self, Snapshot, Types};
use crate::wire::{Begin, Body, Reply};
use bytes::Bytes;
use futures::stream::{self, FuturesOrdered, Stream, StreamExt};
use openraft::StorageError;
use openraft::errors::{StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// How many frames may be on their way. A receiver refuses more.
pub const IN_FLIGHT: usize = 8;
/// How many are at first; each that is taken adds one.
const FIRST_IN_FLIGHT: usize = 2;

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
        let mut frames = pin!(self.cut(frames));
        let (mut answers, mut lengths) = (FuturesOrdered::new(), VecDeque::new());
        let (mut sequence, mut window) = (0, FIRST_IN_FLIGHT);
        loop {
            while answers.len() < window
                && let Some(frame) = frames.next().await
            {
                let frame = frame.map_err(unreadable)?;
                lengths.push_back(frame.len());
                // It waits behind all that are on their way, each of which has its time.
                let patience = lengths.iter().map(|bytes| self.shared.options.frame_patience(*bytes)).sum();
                let body = Body::Frame { transfer: transfer.number, sequence, frame: Data(frame) };
                // Queued here, in their order; what follows only waits.
                answers.push_back(self.step(body, patience));
                sequence += 1;
            }
            let Some(length) = lengths.pop_front() else { return Ok(sequence) };
            let late = |_| unreachable(Failure::Link(LinkError::TimedOut));
            let taken = timeout(self.shared.options.frame_patience(length), answers.next()).await.map_err(late)?;
            taken.transpose()?;
            transfer.taken(length);
            window = IN_FLIGHT.min(window + 1);
        }
    }

    /// The frames, each made where it holds up nothing else.
    fn cut(&self, frames: Frames) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let work = self.shared.options.work;
        let cut = stream::unfold(Some(frames), move |frames| async move {
            let mut frames = frames?;
            match work.run(move || (frames.next(), frames)).await {
                Ok((Some(Ok(frame)), frames)) => Some((Ok(frame), Some(frames))),
                Ok((Some(Err(error)), _)) | Err(error) => Some((Err(error), None)),
                Ok((None, _)) => None,
            }
        });
        cut.fuse()
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
