//! What the cluster keeps of its audit, as the lines of a bundle: the chain's batches and records, its checkpoints, the entries of
//! ledgers. It only writes things down in another form; whether they hold is for the verifier to say, which does not know this crate.

mod entries;

pub use entries::entry;

use symbi_audit::{Batch, Checkpoint, Hex, Origin, Record};
use symbi_model::{NodeId, record};

/// Why something is no line of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A batch of the chain has no signature of 64 bytes.
    #[error("batch {0} has no signature")]
    Batch(u64),
    /// A line of a ledger has no signature of 64 bytes.
    #[error("line {0} of a ledger has no signature")]
    Entry(u64),
}

/// A node's id.
#[must_use]
pub fn node(id: &NodeId) -> Hex<32> {
    Hex(id.0)
}

/// What the chain keeps of a batch.
///
/// # Errors
/// [`Error::Batch`].
pub fn batch(line: record::BatchLine) -> Result<Batch, Error> {
    let signature = line.signature.try_into().map(Hex);
    Ok(Batch {
        index: line.index,
        origin: node(&line.origin),
        time_ms: line.time_ms,
        decided_term: line.decided_term,
        count: line.count,
        acts: u32::from(line.acts),
        root: Hex(line.root.0),
        signature: signature.map_err(|_| Error::Batch(line.index))?,
    })
}

/// A record of the chain.
#[must_use]
pub fn record(record: record::Record) -> Record {
    let (act, result) = (record.act, record.result);
    Record {
        index: record.index,
        position: record.position,
        term: record.term,
        time_ms: record.time_ms,
        origin: record.origin.as_ref().map_or(Origin::Raft, |origin| Origin::Node(node(origin))),
        kind: act.kind.to_string(),
        actor: act.actor.to_string(),
        subject: act.subject.to_string(),
        details: act.details.texts().collect(),
        request: act.request.map(|request| request.to_string()).unwrap_or_default(),
        decision: act.permit.map(|permit| permit.decision.to_string()).unwrap_or_default(),
        policy_set: act.permit.map_or(0, |permit| permit.policy_set.0),
        command: Hex(act.command.0),
        code: result.code.to_string(),
        values: result.values.texts().collect(),
        previous: Hex(record.previous.0),
        hash: Hex(record.hash.0),
    }
}

/// A checkpoint, and who has signed it with what.
#[must_use]
pub fn checkpoint(
    checkpoint: &symbi_model::Checkpoint,
    signatures: impl IntoIterator<Item = (NodeId, [u8; 64])>,
) -> Checkpoint {
    let set = |set: &Vec<NodeId>| set.iter().map(node).collect::<Vec<_>>();
    let signed = signatures.into_iter().map(|(signer, signature)| (node(&signer), Hex(signature)));
    let mut witnesses: Vec<_> = signed.collect();
    witnesses.sort_by_key(|(signer, _)| *signer);
    Checkpoint {
        generation: checkpoint.generation,
        group: checkpoint.group.0,
        gate: u64::from(checkpoint.gate),
        size: checkpoint.size,
        root: Hex(checkpoint.root.0),
        head: Hex(checkpoint.head.0),
        index: checkpoint.index,
        term: checkpoint.term,
        time_ms: checkpoint.time_ms,
        state: Hex(checkpoint.state.0),
        voters: checkpoint.voters.iter().map(set).collect(),
        next: checkpoint.next.as_ref().map(set),
        hop: Hex(checkpoint.hop.0),
        hops: checkpoint.hops,
        witnesses,
    }
}
