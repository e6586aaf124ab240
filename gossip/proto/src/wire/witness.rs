//! What voters tell each other of checkpoints: signatures as they are made, and on request what is witnessed already.

use super::Blob;
use serde::{Deserialize, Serialize};
use symbi_model::{Checkpoint, Claim, NodeId};

/// A voter's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What it has signed.
    pub claim: Claim,
    /// Ed25519 over the claim; 64 bytes.
    pub signature: Blob,
}

/// A checkpoint, and who has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its signatures, by node.
    pub signatures: Vec<(NodeId, Blob)>,
}
