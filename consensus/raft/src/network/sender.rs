//! Sends a snapshot: its beginning, its frames one after the other, its end.

use super::{Client, Failure};
use crate::disk::format::{LogId, Membership, Vote};
use crate::link::Kind;
use crate::machine::Image;
use crate::types::{self, Types};
use crate::wire::{Begin, Body, Reply};
use openraft::StorageError;
use openraft::errors::{StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Client {
    /// Sends a snapshot and waits until it is installed.
    pub(super) async fn send(
        &self,
        vote: types::Vote,
        snapshot: openraft::type_config::alias::SnapshotOf<Types, Image>,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let transfer = self.shared.transfers.fetch_add(1, Ordering::Relaxed);
        let deadline = self.shared.options.snapshot_deadline;
        let begin = Begin {
            transfer,
            vote: Vote::from(&vote),
            last: snapshot.meta.last_log_id.as_ref().map(LogId::from),
            membership: Membership::from(&snapshot.meta.last_membership),
            header: snapshot.snapshot.header(),
        };
        self.step(Body::Begin(begin), deadline).await?;
        let mut sequence = 0;
        for frame in snapshot.snapshot.frames() {
            let frame = frame.map_err(|error| {
                StorageError::from_io_error(openraft::ErrorSubject::Snapshot(None), openraft::ErrorVerb::Read, error)
            })?;
            self.step(Body::Frame { transfer, sequence, frame }, deadline).await?;
            sequence += 1;
        }
        let end = Body::End { transfer, frames: sequence };
        match self.step(end, self.shared.options.install_deadline).await? {
            Reply::Installed(vote) => Ok(SnapshotResponse::new(vote.into())),
            other => Err(refused(&other)),
        }
    }

    async fn step(&self, body: Body, deadline: Duration) -> Result<Reply, StreamingError<Types>> {
        match self.call(Kind::Snapshot, body, deadline).await.map_err(unreachable)? {
            reply @ (Reply::Continue | Reply::Installed(_)) => Ok(reply),
            other => Err(refused(&other)),
        }
    }
}

/// Any failure: the only error after which openraft waits before it tries again.
fn unreachable(failure: Failure) -> StreamingError<Types> {
    StreamingError::Unreachable(Unreachable::new(&failure))
}

fn refused(reply: &Reply) -> StreamingError<Types> {
    let what = format!("the snapshot was not taken: {reply:?}");
    StreamingError::Unreachable(Unreachable::from_string(what))
}
