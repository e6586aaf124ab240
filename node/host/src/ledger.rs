//! The ledger: this node's own record of what it has carried and refused, hash-chained, synced, and anchored in the audit
//! chain. What an entry is, is the model's (`symbi_model::ledger`).
//!
//! [`Ledger::record`] never waits. A writer chains the entries and hands them to the storage. How far that is synced,
//! [`Ledger::anchor`] says under the node's signature; with each request for a grant, once a second, the leader is told, and has the
//! cluster agree on it. A cut can take what was recorded in the last moment; the line that the next start writes says so.
//!
//! *When it is full.* [`QUEUE`] entries may wait for the writer, and [`anchor::UNANCHORED`] lines for an anchor. Beyond that
//! [`Ledger::has_room`] says no, and no message is sent or taken in here until there is room: a node that cannot record does
//! not act. What was under way by then is still taken, up to twice as many; what comes beyond is counted, and the count is a
//! line of the ledger. Nothing is lost in silence.
//!
//! *Retention.* The last [`disk::KEPT`] lines stay, and what is not anchored stays in any case: what counts is an anchor that the
//! replicated state has. Older ones go up to an anchored head, so that what is left follows from an anchor of the audit chain. Of the
//! tree over the lines that are gone its whole subtrees stay, so that later roots can still be checked.

mod actor;
mod anchor;
mod decisions;
mod disk;
mod find;
mod keys;
mod ports;
mod queue;
#[cfg(test)]
mod tests;

pub use decisions::Allowed;
pub use disk::Error;
pub use keys::runs;
pub use ports::Ports;

use actor::Actor;
use decisions::Wanted;
use ed25519_dalek::SigningKey;
use queue::{Counts, Message};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use symbi_model::ledger::entry::VERDICT_BYTES;
use symbi_model::ledger::{Anchor, Entry, Tip};
use symbi_model::{DecisionId, NodeId, State};
use symbi_proto::wire::ledger::{Chunk, Sightings};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// So many entries may wait for the writer before nothing more is sent or taken in.
pub const QUEUE: u64 = 4_096;
/// With so many decisions found no more are looked for.
pub const DECISIONS: usize = 64;
/// And after so many portions of lines.
const PORTIONS: usize = 128;

/// The way to this node's ledger. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger {
    /// To the writer.
    queue: mpsc::UnboundedSender<Message>,
    /// What handles and writer both count.
    counts: Arc<Counts>,
    /// Where what is synced ends.
    synced: watch::Receiver<Option<Tip>>,
    /// The node's key.
    key: Arc<SigningKey>,
}

/// Makes a ledger, and the future that writes it until `stop` or until nobody holds a handle.
pub fn new(
    ports: Ports,
    stop: CancellationToken,
) -> (Ledger, impl Future<Output = Result<(), Error>> + Send + 'static) {
    let (queue, messages) = mpsc::unbounded_channel();
    let counts = Arc::new(Counts::default());
    let (say, synced) = watch::channel(None);
    let ledger = Ledger { queue, counts: Arc::clone(&counts), synced, key: Arc::clone(&ports.key) };
    (ledger, async move { Actor::open(ports, messages, counts, say, stop)?.run().await })
}

impl Ledger {
    /// Records an entry, after those recorded before it. Never waits; see the module for what happens when it is full. Of a
    /// verdict that is longer than [`VERDICT_BYTES`] only its id is kept.
    pub fn record(&self, mut entry: Entry) {
        if let Entry::Denied(denied) = &mut entry
            && denied.verdict.len() > VERDICT_BYTES
        {
            denied.verdict.clear();
        }
        if self.counts.waiting.fetch_add(1, Ordering::Relaxed) >= 2 * QUEUE {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.queue.send(Message::Record(Box::new(entry))).is_err() {
            // The writer ends before its handles only where the node stops: what happens then is said by the next start.
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether anything that would have to be recorded may be begun.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.counts.waiting.load(Ordering::Relaxed) < QUEUE && !self.counts.held.load(Ordering::Relaxed)
    }

    /// How far it has come and is synced, signed; none if that is nothing that `state` does not have, or there is no cluster yet.
    #[must_use]
    pub fn anchor(&self, state: &State) -> Option<Anchor> {
        let (tip, cluster) = ((*self.synced.borrow())?, state.cluster.as_ref()?);
        let known = state.ledgers.get(&NodeId(self.key.verifying_key().to_bytes()));
        let is_new = known.is_none_or(|anchored| anchored.anchor.entries < tip.entries);
        is_new.then(|| Anchor::sign(cluster.id, cluster.generation, &tip, &self.key))
    }

    /// What this ledger knows of the messages whose ids begin with `prefix`, a UUID as it is written or its beginning.
    ///
    /// # Errors
    /// [`Error`], also when the node is stopping.
    pub async fn find(&self, prefix: &str) -> Result<Sightings, Error> {
        self.ask(|reply| Message::Find(prefix.to_owned(), reply)).await
    }

    /// Lines from `from` on, or from the first that is kept: as many as one frame takes. Everything that was recorded before
    /// the call is among them, or in those that follow.
    ///
    /// # Errors
    /// As for [`Ledger::find`].
    pub async fn lines(&self, from: u64) -> Result<Chunk, Error> {
        self.ask(|reply| Message::Lines(from, reply)).await
    }

    /// The encoded verdict of a decision that denied something, if it is kept.
    ///
    /// # Errors
    /// As for [`Ledger::find`].
    pub async fn verdict(&self, decision: DecisionId) -> Result<Option<Vec<u8>>, Error> {
        let kept = self.ask(|reply| Message::Verdict(decision, reply)).await?;
        // Of one that was too long there is no more than its id.
        Ok(kept.filter(|verdict| !verdict.is_empty()))
    }

    /// The decisions from `low` to `high` that this ledger names, each with the number of a line that does; and whether there
    /// may be more.
    ///
    /// # Errors
    /// As for [`Ledger::find`].
    pub async fn decisions(
        &self,
        low: DecisionId,
        high: DecisionId,
    ) -> Result<(BTreeMap<DecisionId, u64>, bool), Error> {
        let (mut found, mut wanted) = (BTreeMap::new(), Wanted { low, high, from: None });
        for _ in 0..PORTIONS {
            let portion = self.ask(|reply| Message::Decisions(wanted, reply)).await?;
            portion.found.into_iter().for_each(|(id, line)| {
                found.entry(id).or_insert(line);
            });
            let is_all = portion.next.is_none() || (low == high && !found.is_empty());
            if is_all || found.len() > DECISIONS {
                return Ok((found, !is_all));
            }
            wanted.from = portion.next;
        }
        Ok((found, true))
    }

    /// What is recorded of the message that `decision` let leave or arrive, if it is kept.
    ///
    /// # Errors
    /// As for [`Ledger::find`].
    pub async fn allowed(&self, decision: DecisionId) -> Result<Option<Allowed>, Error> {
        let (found, _) = self.decisions(decision, decision).await?;
        let Some(line) = found.get(&decision).copied() else { return Ok(None) };
        self.ask(|reply| Message::Allowed(decision, line, reply)).await
    }

    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(make(reply)).map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)?
    }
}
