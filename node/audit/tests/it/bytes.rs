//! The bytes of the format, written a second time from its description, so that the verifier is not judged by itself.

use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeMap;
use symbi_audit::{Batch, Checkpoint, Hex, Origin, Record};
use symbi_model::hash::{Hash, put_bytes, put_u64};
use symbi_model::merkle;

/// Names and texts.
pub type Texts = BTreeMap<String, String>;

fn put_texts(out: &mut Vec<u8>, texts: &Texts) {
    put_u64(out, texts.len() as u64);
    for (name, text) in texts {
        put_bytes(out, name.as_bytes());
        put_bytes(out, text.as_bytes());
    }
}

/// The leaf of a record's act.
pub fn act_leaf(record: &Record) -> Hash {
    let mut out = Vec::new();
    put_bytes(&mut out, record.kind.as_bytes());
    put_bytes(&mut out, record.actor.as_bytes());
    put_bytes(&mut out, record.subject.as_bytes());
    put_texts(&mut out, &record.details);
    put_bytes(&mut out, record.request.as_bytes());
    put_bytes(&mut out, record.decision.as_bytes());
    put_u64(&mut out, record.policy_set);
    out.extend_from_slice(&record.command.0);
    merkle::leaf(&out)
}

/// Sets a record's `previous` and `hash`.
pub fn chained(record: &mut Record, previous: Hash) -> Hash {
    record.previous = Hex(previous.0);
    let mut out = Vec::new();
    for number in [record.index, u64::from(record.position), record.term, record.time_ms] {
        put_u64(&mut out, number);
    }
    match &record.origin {
        Origin::Raft => put_bytes(&mut out, &[]),
        Origin::Node(node) => put_bytes(&mut out, &node.0),
    }
    put_bytes(&mut out, record.code.as_bytes());
    put_texts(&mut out, &record.values);
    let hash = Hash::of(&[b"symbi-record-v2\0", &act_leaf(record).0, &out, &previous.0]);
    record.hash = Hex(hash.0);
    hash
}

/// What a batch's origin signs.
fn signed(batch: &Batch, cluster: [u8; 16]) -> Vec<u8> {
    let mut out = b"symbi-entry-v2\0".to_vec();
    out.extend_from_slice(&cluster);
    put_u64(&mut out, 0);
    out.extend_from_slice(&batch.origin.0);
    for number in [batch.time_ms, batch.decided_term, u64::from(batch.count), u64::from(batch.acts)] {
        put_u64(&mut out, number);
    }
    out.extend_from_slice(&batch.root.0);
    out
}

/// Signs a batch.
pub fn sign(batch: &mut Batch, cluster: [u8; 16], key: &SigningKey) {
    batch.signature = Hex(key.sign(&signed(batch, cluster)).to_bytes());
}

/// What a cluster is known by, from the batch of its genesis.
pub fn anchor(batch: &Batch, cluster: [u8; 16]) -> Hash {
    Hash::of(&[b"symbi-anchor-v1\0", &signed(batch, cluster), &batch.signature.0])
}

/// How far a ledger had come, as its node signs it and a record says it.
pub fn ledger(
    cluster: [u8; 16],
    generation: u64,
    (entries, head, root): (u64, Hash, Hash),
    key: &SigningKey,
) -> String {
    let node = key.verifying_key().to_bytes();
    let mut out = b"symbi-ledger-anchor-v1\0".to_vec();
    out.extend_from_slice(&cluster);
    put_u64(&mut out, generation);
    out.extend_from_slice(&node);
    put_u64(&mut out, entries);
    out.extend_from_slice(&head.0);
    out.extend_from_slice(&root.0);
    let signature = Hex(key.sign(&out).to_bytes());
    format!("{}:{generation}:{entries}:{head}:{root}:{signature}", Hex(node))
}

/// The digest of a checkpoint.
pub fn digest(checkpoint: &Checkpoint, cluster: [u8; 16]) -> Hash {
    let set = |out: &mut Vec<u8>, set: &Vec<Hex<32>>| {
        put_u64(out, set.len() as u64);
        set.iter().for_each(|node| out.extend_from_slice(&node.0));
    };
    let mut out = b"symbi-checkpoint-v1\0".to_vec();
    out.extend_from_slice(&cluster);
    for number in [checkpoint.generation, checkpoint.group, checkpoint.gate, checkpoint.size] {
        put_u64(&mut out, number);
    }
    out.extend_from_slice(&checkpoint.root.0);
    out.extend_from_slice(&checkpoint.head.0);
    for number in [checkpoint.index, checkpoint.term, checkpoint.time_ms] {
        put_u64(&mut out, number);
    }
    out.extend_from_slice(&checkpoint.state.0);
    put_u64(&mut out, checkpoint.voters.len() as u64);
    checkpoint.voters.iter().for_each(|voters| set(&mut out, voters));
    match &checkpoint.next {
        None => put_u64(&mut out, 0),
        Some(next) => {
            put_u64(&mut out, 1);
            set(&mut out, next);
        }
    }
    out.extend_from_slice(&checkpoint.hop.0);
    Hash::of(&[&out])
}

/// A voter's signature under a checkpoint.
pub fn witness(checkpoint: &Checkpoint, cluster: [u8; 16], key: &SigningKey) -> Hex<64> {
    let mut out = b"symbi-witness-v1\0".to_vec();
    put_u64(&mut out, checkpoint.generation);
    put_u64(&mut out, checkpoint.size);
    out.extend_from_slice(&digest(checkpoint, cluster).0);
    Hex(key.sign(&out).to_bytes())
}
