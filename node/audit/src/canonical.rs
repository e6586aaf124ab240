//! The bytes that are hashed and signed. Integers are eight big-endian bytes; `lp` is such a length, and then the bytes.

mod ledger;

use crate::chain::Signed;
use crate::hash::sha256;
use crate::hex::Hex;
use crate::line::{Batch, Checkpoint, Cluster, Header, Manifest, Origin, Policy, Record};
use crate::tree::leaf;
use ed25519_dalek::{Signature, VerifyingKey};
use std::collections::BTreeMap;

const RECORD: &[u8] = b"symbi-record-v2\0";
const ENTRY: &[u8] = b"symbi-entry-v2\0";
const ANCHOR: &[u8] = b"symbi-anchor-v1\0";
const BUNDLE: &[u8] = b"symbi-bundle-v3\0";
const CHECKPOINT: &[u8] = b"symbi-checkpoint-v1\0";
const WITNESS: &[u8] = b"symbi-witness-v1\0";
const LEDGER_ANCHOR: &[u8] = b"symbi-ledger-anchor-v1\0";

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn lp(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn texts(out: &mut Vec<u8>, texts: &BTreeMap<String, String>) {
    number(out, texts.len() as u64);
    for (name, value) in texts {
        lp(out, name.as_bytes());
        lp(out, value.as_bytes());
    }
}

fn nodes(out: &mut Vec<u8>, nodes: &[Hex<32>]) {
    number(out, nodes.len() as u64);
    nodes.iter().for_each(|node| out.extend_from_slice(&node.0));
}

impl Record {
    /// The act's leaf in the tree of its batch.
    pub(crate) fn act_leaf(&self) -> Hex<32> {
        let mut out = Vec::with_capacity(384);
        for text in [&self.kind, &self.actor, &self.subject] {
            lp(&mut out, text.as_bytes());
        }
        texts(&mut out, &self.details);
        lp(&mut out, self.request.as_bytes());
        lp(&mut out, self.decision.as_bytes());
        number(&mut out, self.policy_set);
        out.extend_from_slice(&self.command.0);
        leaf(&out)
    }

    /// What its hash must be: SHA-256 over the domain, the act's leaf, the result, and the previous hash.
    pub(crate) fn digest(&self) -> Hex<32> {
        let mut out = Vec::with_capacity(192);
        number(&mut out, self.index);
        number(&mut out, u64::from(self.position));
        number(&mut out, self.term);
        number(&mut out, self.time_ms);
        match &self.origin {
            Origin::Raft => lp(&mut out, &[]),
            Origin::Node(node) => lp(&mut out, &node.0),
        }
        lp(&mut out, self.code.as_bytes());
        texts(&mut out, &self.values);
        sha256(&[RECORD, &self.act_leaf().0, &out, &self.previous.0])
    }
}

impl Checkpoint {
    /// SHA-256 of what its voters sign.
    pub(crate) fn digest(&self, cluster: Cluster) -> Hex<32> {
        let mut out = CHECKPOINT.to_vec();
        out.extend_from_slice(&cluster.0);
        for value in [self.generation, self.group, self.gate, self.size] {
            number(&mut out, value);
        }
        out.extend_from_slice(&self.root.0);
        out.extend_from_slice(&self.head.0);
        for value in [self.index, self.term, self.time_ms] {
            number(&mut out, value);
        }
        out.extend_from_slice(&self.state.0);
        number(&mut out, self.voters.len() as u64);
        self.voters.iter().for_each(|set| nodes(&mut out, set));
        number(&mut out, u64::from(self.next.is_some()));
        if let Some(next) = &self.next {
            nodes(&mut out, next);
        }
        out.extend_from_slice(&self.hop.0);
        sha256(&[&out])
    }

    /// Whether a node has signed the checkpoint that has this digest.
    pub(crate) fn is_signed(&self, digest: &Hex<32>, node: &Hex<32>, signature: &Hex<64>) -> bool {
        let mut out = WITNESS.to_vec();
        number(&mut out, self.generation);
        number(&mut out, self.size);
        out.extend_from_slice(&digest.0);
        is_signed(node, &out, signature)
    }
}

impl Signed {
    /// Whether its node has signed it, of its ledger in this cluster.
    pub(crate) fn is_signed(&self, cluster: Cluster) -> bool {
        let mut out = LEDGER_ANCHOR.to_vec();
        out.extend_from_slice(&cluster.0);
        number(&mut out, self.generation);
        out.extend_from_slice(&self.node.0);
        number(&mut out, self.anchor.entries);
        out.extend_from_slice(&self.anchor.head.0);
        out.extend_from_slice(&self.anchor.root.0);
        is_signed(&self.node, &out, &self.signature)
    }
}

impl Batch {
    /// What its origin signed.
    fn signed(&self, cluster: Cluster, group: u64) -> Vec<u8> {
        let mut out = ENTRY.to_vec();
        out.extend_from_slice(&cluster.0);
        number(&mut out, group);
        out.extend_from_slice(&self.origin.0);
        number(&mut out, self.time_ms);
        number(&mut out, self.decided_term);
        number(&mut out, u64::from(self.count));
        number(&mut out, u64::from(self.acts));
        out.extend_from_slice(&self.root.0);
        out
    }

    /// Whether its origin signed it, for this group of this cluster.
    pub(crate) fn is_signed(&self, cluster: Cluster, group: u64) -> bool {
        is_signed(&self.origin, &self.signed(cluster, group), &self.signature)
    }

    /// What the cluster is known by when this is its genesis.
    pub(crate) fn anchor(&self, cluster: Cluster, group: u64) -> Hex<32> {
        sha256(&[ANCHOR, &self.signed(cluster, group), &self.signature.0])
    }
}

impl Policy {
    /// What its hash must be.
    pub(crate) fn digest(text: &str, entities: &str) -> Hex<32> {
        let mut out = Vec::with_capacity(16 + text.len() + entities.len());
        lp(&mut out, text.as_bytes());
        lp(&mut out, entities.as_bytes());
        sha256(&[&out])
    }
}

impl Manifest {
    /// What the exporter signs. The bundle's bytes, and so its header, are in it by their hash.
    pub(crate) fn signed(&self) -> Vec<u8> {
        let mut out = BUNDLE.to_vec();
        out.extend_from_slice(&self.sha256.0);
        let chain = [self.checkpoints, self.records, self.batches, self.keys, self.policies];
        let counts = chain.into_iter().chain([self.ledgers, self.entries, self.missing]);
        counts.for_each(|count| number(&mut out, count));
        out.extend_from_slice(&self.head.0);
        out.extend_from_slice(&self.exporter.0);
        out
    }

    /// Whether the exporter of `header` signed it.
    pub(crate) fn is_signed(&self, header: &Header) -> bool {
        self.exporter == header.exporter && is_signed(&self.exporter, &self.signed(), &self.signature)
    }
}

fn is_signed(key: &Hex<32>, bytes: &[u8], signature: &Hex<64>) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else { return false };
    key.verify_strict(bytes, &Signature::from_bytes(&signature.0)).is_ok()
}
