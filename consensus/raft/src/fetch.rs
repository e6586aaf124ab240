//! Fetches the lines of entries whose place a snapshot took, from whichever replica has them, until there is no hole any more.
//!
//! From a hole's end backwards, so that each line is proved as it comes: the state says where the chain ends, each link says what
//! the one before it comes to, and a peer that sends anything else is left for the next one. What was taken is on the disk with
//! what is still missing, so that a restart goes on from there. One request is on its way at a time, on a lane of its own, and
//! what it brings is checked off the threads on which heartbeats are answered.

use crate::applier::Raft;
use crate::disk::format;
use crate::error::storage;
use crate::lines::{CHUNK_BYTES, Hole, Lines};
use crate::link::{Kind, Link};
use crate::machine::frames;
use crate::machine::{Image, Line, Machine};
use crate::options::Options;
use crate::position::Position;
use crate::replica::ReplicaId;
use crate::wire::{Body, Reply, Request};
use openraft::async_runtime::WatchReceiver;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long it waits when nobody had the lines; twice as long each further time, up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15);
/// How often it tells how far it is.
const TELL: Duration = Duration::from_secs(5);
/// The most bytes of one entry's lines: far more than any batch leaves.
const ENTRY_BYTES: usize = 64 * CHUNK_BYTES;

/// Fetches what is missing.
pub struct Actor<M: Machine> {
    /// The replica, which knows the others.
    raft: Raft<M>,
    /// The way to them.
    link: Arc<dyn Link>,
    /// The state, which knows what proves lines.
    image: watch::Receiver<M::Image>,
    /// Where they go.
    lines: Arc<Lines>,
    /// The replica's options.
    options: Options,
    /// Counts those that had no lines, or none that fit: says who is asked.
    failed: usize,
    /// How often all of them had none, one time after the other.
    rounds: u32,
}

impl<M: Machine> Actor<M> {
    /// Not running yet.
    pub fn new(
        raft: Raft<M>,
        link: Arc<dyn Link>,
        image: watch::Receiver<M::Image>,
        lines: Arc<Lines>,
        options: Options,
    ) -> Self {
        Self { raft, link, image, lines, options, failed: 0, rounds: 0 }
    }

    /// Runs until it is cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut holes = self.lines.holes();
        loop {
            let missing = cancel.run_until_cancelled(holes.wait_for(|holes| !holes.is_empty())).await;
            // It is cancelled, or the replica is gone.
            if missing.is_none_or(|missing| missing.is_err()) {
                return;
            }
            if cancel.run_until_cancelled(self.fill(&mut holes)).await.is_none() {
                return;
            }
        }
    }

    /// Fetches until nothing is missing.
    async fn fill(&mut self, holes: &mut watch::Receiver<Vec<Hole>>) {
        let mut told = Instant::now() - TELL;
        loop {
            let Some(hole) = holes.borrow_and_update().last().copied() else {
                tracing::info!(group = %self.options.group, "the audit is complete again");
                return;
            };
            if told.elapsed() >= TELL {
                let (from, upto, records) = (hole.from, hole.upto, hole.after.count.saturating_sub(hole.before.count));
                tracing::info!(group = %self.options.group, from, upto, records, "lines of the audit are missing and being fetched");
                told = Instant::now();
            }
            let peers = self.peers();
            let Some(peer) = peers.get(self.failed % peers.len().max(1)).copied() else {
                self.pause().await;
                continue;
            };
            match self.chunk(&hole, peer).await {
                Ok(()) => self.rounds = 0,
                Err(Failure::Without) => self.next(peers.len()).await,
                Err(Failure::Broken(error)) => {
                    tracing::warn!(from = %peer, %error, "lines of the audit are not taken: another node is asked");
                    self.next(peers.len()).await;
                }
                Err(Failure::Own(error)) => {
                    tracing::error!(%error, "lines of the audit have come, and cannot be taken in here");
                    self.pause().await;
                }
            }
        }
    }

    /// Whom to ask: every other replica, beginning with the one behind this one, so that not all of them ask the same.
    fn peers(&self) -> Vec<ReplicaId> {
        let me = self.options.replica();
        let metrics = self.raft.metrics();
        let (voters, learners) = format::members(metrics.borrow_watched().membership_config.membership());
        let mut peers: Vec<ReplicaId> =
            voters.into_iter().flatten().chain(learners).filter(|peer| *peer != me).collect();
        peers.sort_unstable();
        peers.dedup();
        let behind = peers.partition_point(|peer| *peer < me);
        peers.rotate_left(behind);
        peers
    }

    /// Asks another one from now on; after all of them, a while later.
    async fn next(&mut self, peers: usize) {
        self.failed += 1;
        if self.failed.is_multiple_of(peers) {
            self.pause().await;
        }
    }

    async fn pause(&mut self) {
        let pause = PAUSE.saturating_mul(1 << self.rounds.min(8)).min(LONGEST);
        self.rounds = self.rounds.saturating_add(1);
        tokio::time::sleep(pause).await;
    }

    /// Fetches the last lines of a hole: those of one entry at least.
    async fn chunk(&self, hole: &Hole, peer: ReplicaId) -> Result<(), Failure> {
        let mut lines: Vec<Line> = Vec::new();
        loop {
            let before = lines.first().map_or(Position { index: hole.upto + 1, line: 0 }, |(at, _)| *at);
            let mut more = self.ask(hole.from, before, peer).await?;
            let bytes: usize = lines.iter().chain(&more).map(|(_, value)| value.len()).sum();
            if more.is_empty() || bytes > ENTRY_BYTES {
                return Err(broken("no whole entry of them came"));
            }
            more.append(&mut lines);
            if !more.is_sorted_by(|(one, _), (other, _)| one < other) {
                return Err(broken("they are out of their order"));
            }
            let (image, after) = (self.image.borrow().clone(), hole.after);
            let judged = self.options.work.run(move || (image.unlink(after, &more), more)).await;
            let (unlinked, held) = judged.map_err(Failure::Broken)?;
            let (tip, begun) = unlinked.map_err(Failure::Broken)?;
            lines = held;
            if begun < lines.len() {
                lines.drain(..begun);
                return self.lines.fill(hole, lines, tip).await.map_err(Failure::Own);
            }
        }
    }

    /// The last lines before a place that a peer has.
    async fn ask(&self, from: u64, before: Position, peer: ReplicaId) -> Result<Vec<Line>, Failure> {
        let Options { group, number, speaks, .. } = self.options;
        let body = Body::Lines { from, index: before.index, line: before.line };
        let request = Request { group, from: number, to: peer.number, speaks, body };
        let answer = self.link.call(peer.node, group, Kind::Lines, request.encode(), DEADLINE).await;
        let answer = answer.map_err(|_| Failure::Without)?;
        match Reply::decode(&answer).map_err(|error| Failure::Broken(storage(error)))? {
            Reply::Lines(frame) => frames::unpack(&frame.0).map_err(Failure::Broken),
            _ => Err(Failure::Without),
        }
    }
}

/// Why no lines were taken.
enum Failure {
    /// The peer has none, or does not answer.
    Without,
    /// What it sent is not what is missing.
    Broken(io::Error),
    /// What it sent proves to be the chain's, and this disk does not take it, or what it has before it is another chain's.
    Own(io::Error),
}

fn broken(what: &str) -> Failure {
    Failure::Broken(io::Error::new(io::ErrorKind::InvalidData, what.to_owned()))
}
