//! The bytes that are hashed and signed. Integers are eight big-endian bytes; `lp` is such a length, and then the bytes.

mod ledger;

use crate::hex::Hex;
use crate::line::{Batch, Cluster, Header, Manifest, Origin, Policy, Record};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

const RECORD: &[u8] = b"symbi-record-v1\0";
const ENTRY: &[u8] = b"symbi-entry-v1\0";
const ANCHOR: &[u8] = b"symbi-anchor-v1\0";
const BUNDLE: &[u8] = b"symbi-bundle-v2\0";

/// SHA-256 over `parts`, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hex<32> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    Hex(digest.finalize().into())
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn lp(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

impl Record {
    /// What its hash must be: SHA-256 over the domain, its fields, and the previous hash.
    pub(crate) fn digest(&self) -> Hex<32> {
        let mut out = Vec::with_capacity(512);
        number(&mut out, self.index);
        number(&mut out, u64::from(self.position));
        number(&mut out, self.term);
        number(&mut out, self.time_ms);
        match &self.origin {
            Origin::Raft => lp(&mut out, &[]),
            Origin::Node(node) => lp(&mut out, &node.0),
        }
        for text in [&self.kind, &self.actor, &self.subject, &self.outcome, &self.request, &self.decision] {
            lp(&mut out, text.as_bytes());
        }
        number(&mut out, self.policy_set);
        lp(&mut out, &self.command.0);
        number(&mut out, self.details.len() as u64);
        for (name, value) in &self.details {
            lp(&mut out, name.as_bytes());
            lp(&mut out, value.as_bytes());
        }
        sha256(&[RECORD, &out, &self.previous.0])
    }

    /// Its command's Merkle leaf: the request, the decision, the policy set, and the command's hash, so that the command need
    /// not be shown.
    pub(crate) fn leaf(&self) -> Hex<32> {
        let mut out = vec![0x00];
        lp(&mut out, self.request.as_bytes());
        lp(&mut out, self.decision.as_bytes());
        number(&mut out, self.policy_set);
        out.extend_from_slice(&self.command.0);
        sha256(&[&out])
    }
}

/// The RFC 6962 (section 2.1) root over leaves, which are hashes already.
pub(crate) fn root(leaves: &[Hex<32>]) -> Hex<32> {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let split = 1 << (leaves.len() - 1).ilog2();
            let (left, right) = (root(&leaves[..split]), root(&leaves[split..]));
            sha256(&[&[0x01], &left.0, &right.0])
        }
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
        let counts = [self.records, self.batches, self.keys, self.policies, self.ledgers, self.entries, self.missing];
        counts.into_iter().for_each(|count| number(&mut out, count));
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
