//! A bundle: the checkpoints of this node's chain and the chain itself up to one log index, the keys and the policy sets as of that index, and the ledgers of all nodes
//! that answer. It leaves in pieces as it is made; no more than a piece is in memory.
//!
//! The ledgers are asked for a moment after the index is taken: what an anchor of the chain covers on one side was taken in on
//! the other side before, and has been recorded there since. So the verifier may want it there.

use super::{App, CHUNK, after, checkpoints};
use crate::error::Error;
use crate::ports::{AuditLine, Call, Place};
use axum::body::Bytes;
use std::io;
use std::time::Duration;
use symbi_audit::entry::{LedgerHeader, Missing};
use symbi_audit::{About, Cluster, Encoder, Hex, Key};
use symbi_audit_lines::node;
use symbi_model::node::Membership;
use symbi_model::{NodeId, State};
use symbi_proto::wire::ledger::Chunk;
use tokio::sync::mpsc;

/// The group whose chain it is.
const GROUP: u64 = 0;
/// A piece is sent when it has so many bytes.
const PIECE: usize = 256 * 1024;
/// How often a node is asked for the same lines before the export ends without them.
const ATTEMPTS: usize = 3;

/// How long a message may be taken in and not recorded: so long a receiver waits for the signature over it, and some.
const SETTLE: Duration = Duration::from_millis(1_200);

/// Which ledgers belong in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledgers {
    /// Those of all nodes that answer.
    All,
    /// None: each is said to be missing.
    None,
}

/// A bundle under way.
struct Export<'a> {
    /// The rest of the node.
    app: &'a App,
    /// The state at the index.
    state: &'a State,
    /// What writes it.
    encoder: Encoder<Vec<u8>>,
    /// Where pieces go.
    pieces: mpsc::Sender<Bytes>,
}

/// Writes the bundle, up to the last entry that `state` has applied, to `pieces`.
///
/// # Errors
/// When there is no cluster yet, the chain cannot be read, or a node stops answering in the middle of its ledger. What was
/// written by then is no bundle.
pub async fn export(app: &App, state: &State, ledgers: Ledgers, pieces: mpsc::Sender<Bytes>) -> Result<(), Error> {
    let cluster = state.cluster.as_ref();
    let cluster = cluster.ok_or_else(|| Error::Unavailable("the cluster does not exist yet".to_owned()))?;
    let id = Cluster(*cluster.id.0.as_bytes());
    let about = About {
        cluster: id,
        cluster_name: &cluster.name,
        group: GROUP,
        generation: u64::from(cluster.generation),
        exporter: node(&app.ports.node),
        time_ms: (app.ports.wall_ms)(),
    };
    let encoder = Encoder::new(Vec::new(), about).map_err(broken)?;
    let mut export = Export { app, state, encoder, pieces };
    for checkpoint in checkpoints::of(state, app.ports.witness.clone()).await? {
        export.encoder.checkpoint(checkpoint).map_err(broken)?;
    }
    export.chain().await?;
    export.keys_and_policies()?;
    if ledgers == Ledgers::All {
        tokio::time::sleep(SETTLE).await;
    }
    for id in state.nodes.keys() {
        match ledgers {
            Ledgers::All => export.ledger(id).await?,
            Ledgers::None => export.missing(id)?,
        }
    }
    let Export { encoder, pieces, .. } = export;
    let unsigned = encoder.finish();
    let signature = app.call(|reply| Call::SignBundle(unsigned.to_sign(), reply)).await?;
    let last = unsigned.sign(signature).map_err(broken)?;
    pieces.send(last.into()).await.map_err(|_| gone())
}

impl Export<'_> {
    async fn chain(&mut self) -> Result<(), Error> {
        let (mut place, last) = (Place::default(), self.state.counters.applied_index);
        loop {
            let chunk = self.app.call(|reply| Call::Audit(place, CHUNK, reply)).await??;
            let Some(end) = chunk.last() else { return Ok(()) };
            place = after(end);
            for line in chunk {
                match line {
                    AuditLine::Batch(line) if line.index <= last => {
                        let batch = symbi_audit_lines::batch(line).map_err(unsigned)?;
                        self.encoder.batch(batch).map_err(broken)?;
                    }
                    AuditLine::Record(line) if line.index <= last => {
                        self.encoder.record(symbi_audit_lines::record(line)).map_err(broken)?;
                    }
                    _ => return Ok(()),
                }
            }
            self.send().await?;
        }
    }

    fn keys_and_policies(&mut self) -> Result<(), Error> {
        for (id, record) in &self.state.nodes {
            let p256 = record.profile.credential_key.clone().try_into().map(Hex);
            let p256 = p256.map_err(|_| Error::Internal(format!("node {id} has no credential key")))?;
            self.encoder.key(Key { node: node(id), name: record.name.clone(), p256 }).map_err(broken)?;
        }
        for set in self.state.policy_sets.values() {
            self.encoder.policy(set.number.0, set.text.clone(), set.entities.clone()).map_err(broken)?;
        }
        Ok(())
    }

    /// A node's ledger; or that it is missing, if the node does not answer.
    async fn ledger(&mut self, id: &NodeId) -> Result<(), Error> {
        let is_there = self.state.nodes.get(id).is_some_and(|node| node.membership != Membership::Removed);
        let first = if is_there { self.lines(id, 1, 1).await.ok() } else { None };
        let Some(mut chunk) = first else { return self.missing(id) };
        let (last, mut next) = (chunk.last, chunk.first);
        let whole = chunk.whole.iter().map(|root| Hex(root.0)).collect();
        let ledger = LedgerHeader { node: node(id), after: chunk.first - 1, previous: Hex(chunk.before.0), whole };
        self.encoder.ledger(ledger).map_err(broken)?;
        loop {
            for line in chunk.lines.drain(..).filter(|line| line.number <= last) {
                if line.number != next {
                    return Err(cut_off(self.state, id));
                }
                next += 1;
                let entry = symbi_audit_lines::entry(line).map_err(unsigned)?;
                self.encoder.entry(entry).map_err(broken)?;
            }
            self.send().await?;
            if next > last {
                return Ok(());
            }
            chunk = self.lines(id, next, ATTEMPTS).await.map_err(|_| cut_off(self.state, id))?;
        }
    }

    async fn lines(&self, id: &NodeId, from: u64, attempts: usize) -> Result<Chunk, Error> {
        let mut asked = 0;
        loop {
            asked += 1;
            match self.app.call(|reply| Call::Ledger(*id, from, reply)).await? {
                Ok(chunk) => return Ok(chunk),
                Err(reason) if asked >= attempts => return Err(Error::Unavailable(reason)),
                Err(reason) => tracing::debug!(node = %id.short(), reason, "lines of a ledger are asked for again"),
            }
        }
    }

    fn missing(&mut self, id: &NodeId) -> Result<(), Error> {
        let anchor = self.state.ledgers.get(id).map(|anchored| anchored.anchor);
        let (entries, head) = anchor.map_or((0, [0; 32]), |anchor| (anchor.entries, anchor.head.0));
        self.encoder.missing(Missing { node: node(id), entries, head: Hex(head) }).map_err(broken)
    }

    /// Sends what was written, if it is enough for a piece.
    async fn send(&mut self) -> Result<(), Error> {
        if self.pieces.is_closed() {
            return Err(gone());
        }
        let written = self.encoder.get_mut();
        if written.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::take(written);
        self.pieces.send(piece.into()).await.map_err(|_| gone())
    }
}

fn cut_off(state: &State, id: &NodeId) -> Error {
    let name = state.nodes.get(id).map_or_else(|| id.short(), |node| node.name.clone());
    Error::Unavailable(format!("node {name} stopped answering while its ledger was exported; export again"))
}

fn gone() -> Error {
    Error::Unavailable("the client went away".to_owned())
}

fn unsigned(error: symbi_audit_lines::Error) -> Error {
    Error::Internal(error.to_string())
}

fn broken(error: io::Error) -> Error {
    Error::Internal(format!("the bundle cannot be written: {error}"))
}
