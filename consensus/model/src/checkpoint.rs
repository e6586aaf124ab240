//! Checkpoints: what the voters sign of the audit chain up to one record, and of the state behind it.
//!
//! A checkpoint is *witnessed* when a majority of each set of voters that it names has signed its [`Claim`]. One that was closed
//! by the genesis or by a change of voters is a *hop*: trust is carried from one set of voters to the next along the hops, each of
//! which names the one before it. `node/audit` implements these bytes a second time, because it is there to judge this.

use crate::hash::{Hash, put_u64};
use crate::ids::{ClusterId, GroupId, NodeId};
use crate::merkle::Frontier;
use crate::planted::{self, Defect};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// What the bytes of a checkpoint begin with.
pub const DOMAIN: &[u8] = b"symbi-checkpoint-v1\0";
/// What the bytes begin with that a voter signs.
pub const WITNESS_DOMAIN: &[u8] = b"symbi-witness-v1\0";
/// With so many records since the last one, a checkpoint is closed.
pub const EVERY: u64 = 256;
/// Of the checkpoints that so many records close, those are to be signed that are the first of such a stretch of log time, ms: on
/// every voter the same ones.
pub const SLOT_MS: u64 = 250;
/// The longest encoded one: three sets of the most voters.
pub const BYTES: usize = 8 * 1024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its generation.
    pub generation: u64,
    /// The Raft group.
    pub group: GroupId,
    /// The gate that is open.
    pub gate: u32,
    /// How many records there are from the genesis on, that one included.
    pub size: u64,
    /// The RFC 6962 root over the leaves of their hashes.
    pub root: Hash,
    /// The hash of the last of them.
    pub head: Hash,
    /// The index of the entry at whose end it was closed.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// Log time, ms since the Unix epoch.
    pub time_ms: u64,
    /// The hash of the state behind that entry, before this checkpoint itself went into it.
    pub state: Hash,
    /// The sets of voters that rule: one, or two while one follows the other. Ids rise.
    pub voters: Vec<Vec<NodeId>>,
    /// The set that is named to follow. Ids rise.
    pub next: Option<Vec<NodeId>>,
    /// The digest of the hop before it; zeros for the first.
    pub hop: Hash,
    /// Whether it is a hop itself.
    pub hops: bool,
}

impl Checkpoint {
    /// Whether it can have closed a tree with this frontier, whose last record has the hash `head`, or an earlier state of it.
    #[must_use]
    pub fn is_within(&self, tree: &Frontier, head: Hash) -> bool {
        self.size < tree.size() || (self.size, self.root, self.head) == (tree.size(), tree.root(), head)
    }

    /// The bytes whose hash is signed: [`DOMAIN`]; cluster; generation, group, gate and size; root and head; index, term and time;
    /// the state's hash; the count of sets and each set, a count and ids; 0, or 1 and the set that follows; the hop before. Integers
    /// and counts are eight big-endian bytes.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(DOMAIN);
        out.extend_from_slice(self.cluster.0.as_bytes());
        let which = [self.generation, self.group.0, u64::from(self.gate), self.size];
        which.into_iter().for_each(|value| put_u64(&mut out, value));
        out.extend_from_slice(&self.root.0);
        out.extend_from_slice(&self.head.0);
        let place = [self.index, self.term, self.time_ms];
        place.into_iter().for_each(|value| put_u64(&mut out, value));
        out.extend_from_slice(&self.state.0);
        put_u64(&mut out, self.voters.len() as u64);
        self.voters.iter().for_each(|set| put_set(&mut out, set));
        put_u64(&mut out, u64::from(self.next.is_some()));
        self.next.iter().for_each(|set| put_set(&mut out, set));
        out.extend_from_slice(&self.hop.0);
        out
    }

    /// SHA-256 over [`Checkpoint::signed_bytes`].
    #[must_use]
    pub fn digest(&self) -> Hash {
        Hash::of(&[&self.signed_bytes()])
    }

    /// What its voters sign.
    #[must_use]
    pub fn claim(&self) -> Claim {
        Claim { generation: self.generation, size: self.size, digest: self.digest() }
    }

    /// Whether a node is one of those who may sign it.
    #[must_use]
    pub fn names(&self, node: &NodeId) -> bool {
        self.voters.iter().any(|set| set.contains(node))
    }

    /// Whether those who have signed it are a majority of each set.
    #[must_use]
    pub fn is_witnessed_by(&self, signers: impl Fn(&NodeId) -> bool) -> bool {
        let majority = |set: &Vec<NodeId>| 2 * set.iter().filter(|node| signers(node)).count() > set.len();
        !self.voters.is_empty() && self.voters.iter().all(majority)
    }
}

fn put_set(out: &mut Vec<u8>, set: &[NodeId]) {
    put_u64(out, set.len() as u64);
    set.iter().for_each(|node| out.extend_from_slice(&node.0));
}

/// That the chain of this generation, at this size, is the one that the digest stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The cluster's generation.
    pub generation: u64,
    /// How many records.
    pub size: u64,
    /// The checkpoint's digest.
    pub digest: Hash,
}

impl Claim {
    /// The bytes that are signed: [`WITNESS_DOMAIN`], generation and size as eight big-endian bytes each, the digest.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut out = WITNESS_DOMAIN.to_vec();
        put_u64(&mut out, self.generation);
        put_u64(&mut out, self.size);
        out.extend_from_slice(&self.digest.0);
        out
    }

    /// Signs it. Only who has made it durable that it did may let others see this.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> [u8; 64] {
        key.sign(&self.signed_bytes()).to_bytes()
    }

    /// Whether a node has signed it.
    #[must_use]
    pub fn is_signed(&self, node: &NodeId, signature: &[u8]) -> bool {
        if planted::active(Defect::WitnessUnchecked) {
            return true;
        }
        let Ok(key) = VerifyingKey::from_bytes(&node.0) else { return false };
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        key.verify_strict(&self.signed_bytes(), &signature).is_ok()
    }
}
