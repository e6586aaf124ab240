//! A checkpoint, and who has signed it.

use std::collections::BTreeMap;
use std::sync::Arc;
use symbi_model::{Checkpoint, Claim, NodeId};
use symbi_proto::wire::{Blob, Witnessed};

/// See the module.
///
/// Invariant: each signature is its node's over the claim, and the checkpoint names the node as a voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The checkpoint.
    pub checkpoint: Arc<Checkpoint>,
    /// What is signed.
    pub claim: Claim,
    /// The signatures.
    signatures: BTreeMap<NodeId, Vec<u8>>,
}

impl Entry {
    /// One that nobody has signed.
    #[must_use]
    pub fn new(checkpoint: Arc<Checkpoint>) -> Self {
        let claim = checkpoint.claim();
        Self { checkpoint, claim, signatures: BTreeMap::new() }
    }

    /// One as it was told, with the signatures that are what they say.
    #[must_use]
    pub fn told(told: Witnessed) -> Self {
        let mut entry = Self::new(Arc::new(told.checkpoint));
        for (node, signature) in told.signatures {
            entry.sign(node, &signature.0);
        }
        entry
    }

    /// The same, which a hop names as the one before it.
    #[must_use]
    pub fn as_hop(&self) -> Self {
        let checkpoint = Checkpoint { hops: true, ..(*self.checkpoint).clone() };
        Self { checkpoint: Arc::new(checkpoint), ..self.clone() }
    }

    /// As it is told.
    #[must_use]
    pub fn tell(&self) -> Witnessed {
        let signatures = self.signatures.iter().map(|(node, signature)| (*node, Blob(signature.clone())));
        Witnessed { checkpoint: (*self.checkpoint).clone(), signatures: signatures.collect() }
    }

    /// Takes a signature, if it is a voter's over this; says whether that is new.
    pub fn sign(&mut self, node: NodeId, signature: &[u8]) -> bool {
        let is_new = !self.signatures.contains_key(&node) && self.checkpoint.names(&node);
        if !is_new || !self.claim.is_signed(&node, signature) {
            return false;
        }
        self.signatures.insert(node, signature.to_vec());
        true
    }

    /// A node's signature.
    #[must_use]
    pub fn signature(&self, node: &NodeId) -> Option<&[u8]> {
        self.signatures.get(node).map(Vec::as_slice)
    }

    /// How many have signed it.
    #[must_use]
    pub fn signers(&self) -> usize {
        self.signatures.len()
    }

    /// Whether a majority of each set has.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        self.checkpoint.is_witnessed_by(|node| self.signatures.contains_key(node))
    }

    /// Whether everybody has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.checkpoint.voters.iter().flatten().all(|node| self.signatures.contains_key(node))
    }
}
