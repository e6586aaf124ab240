//! A bundle of this node's chain up to one log index: the chain, the keys and the policy sets as of that index.

use super::{App, CHUNK, after};
use crate::error::Error;
use crate::ports::{AuditLine, Call, Place};
use axum::body::Bytes;
use std::io;
use symbi_audit::{Batch, Cluster, Encoder, Hex, Key, Origin, Record};
use symbi_model::record;
use symbi_model::{NodeId, State};

/// The group whose chain it is.
const GROUP: u64 = 0;

/// The bundle, up to the last entry that `state` has applied.
///
/// # Errors
/// When there is no cluster yet, or the chain cannot be read.
pub async fn export(app: &App, state: &State) -> Result<Bytes, Error> {
    let cluster = state.cluster.as_ref();
    let cluster = cluster.ok_or_else(|| Error::Unavailable("the cluster does not exist yet".to_owned()))?;
    let id = Cluster(*cluster.id.0.as_bytes());
    let mut encoder = Encoder::new(Vec::new(), id, &cluster.name, GROUP, node(&app.ports.node)).map_err(broken)?;
    chain(app, &mut encoder, state.counters.applied_index).await?;
    for (id, record) in &state.nodes {
        let p256 = record.profile.credential_key.clone().try_into().map(Hex);
        let p256 = p256.map_err(|_| Error::Internal(format!("node {id} has no credential key")))?;
        encoder.key(Key { node: node(id), name: record.name.clone(), p256 }).map_err(broken)?;
    }
    for set in state.policy_sets.values() {
        encoder.policy(set.number.0, set.text.clone()).map_err(broken)?;
    }
    let unsigned = encoder.finish();
    let signature = app.call(|reply| Call::SignBundle(unsigned.to_sign(), reply)).await?;
    unsigned.sign(signature).map(Bytes::from).map_err(broken)
}

async fn chain(app: &App, encoder: &mut Encoder<Vec<u8>>, last: u64) -> Result<(), Error> {
    let mut place = Place::default();
    loop {
        let chunk = app.call(|reply| Call::Audit(place, CHUNK, reply)).await?.map_err(Error::Internal)?;
        let Some(end) = chunk.last() else { return Ok(()) };
        place = after(end);
        for line in chunk {
            match line {
                AuditLine::Batch(line) if line.index <= last => encoder.batch(batch(line)?).map_err(broken)?,
                AuditLine::Record(line) if line.index <= last => encoder.record(record(line)).map_err(broken)?,
                _ => return Ok(()),
            }
        }
    }
}

fn batch(line: record::BatchLine) -> Result<Batch, Error> {
    let signature = line.signature.try_into().map(Hex);
    Ok(Batch {
        index: line.index,
        origin: node(&line.origin),
        time_ms: line.time_ms,
        decided_term: line.decided_term,
        count: line.count,
        root: Hex(line.root.0),
        signature: signature.map_err(|_| Error::Internal(format!("batch {} has no signature", line.index)))?,
    })
}

fn record(record: record::Record) -> Record {
    Record {
        index: record.index,
        position: record.position,
        term: record.term,
        time_ms: record.time_ms,
        origin: record.origin.as_ref().map_or(Origin::Raft, |origin| Origin::Node(node(origin))),
        kind: record.kind,
        actor: record.actor,
        subject: record.subject,
        outcome: record.outcome,
        request: record.request,
        decision: record.decision,
        policy_set: record.policy_set.0,
        command: Hex(record.command.0),
        details: record.details,
        previous: Hex(record.previous.0),
        hash: Hex(record.hash.0),
    }
}

fn node(id: &NodeId) -> Hex<32> {
    Hex(id.0)
}

fn broken(error: io::Error) -> Error {
    Error::Internal(format!("the bundle cannot be written: {error}"))
}
