//! Views: what a node says of itself by gossip. A hint that nothing relies on, but signed, so that it is that node's.

use super::{VIEW_BYTES, decode, encode};
use crate::error::Error;
use crate::mac::Transcript;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use symbi_model::{ClusterId, NodeId};

const LABEL: &[u8] = b"symbi-view-v1\0";

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The node.
    pub node: NodeId,
    /// One more for each view of one start of the node, from the boot count in the high 32 bits: the highest is the latest.
    pub sequence: u64,
    /// The node's clock, ms since the Unix epoch.
    pub wall_ms: u64,
    /// The last log index that it has applied.
    pub applied_index: u64,
    /// How many agents run on it.
    pub agents: u32,
    /// The memory that is in use, MiB.
    pub memory_used_mb: u64,
    /// The processor time that is in use, thousandths of a core.
    pub cpu_used_millis: u64,
}

/// A view and its node's signature.
#[derive(Serialize, Deserialize)]
struct Signed {
    /// The encoded view, as it is signed.
    view: Vec<u8>,
    /// Ed25519; 64 bytes.
    signature: Vec<u8>,
}

impl View {
    /// The view as gossiped, signed with the node's own key.
    #[must_use]
    pub fn sign(&self, cluster: ClusterId, key: &SigningKey) -> Vec<u8> {
        let view = encode(self);
        let signature = key.sign(signed(cluster, &view).as_slice()).to_bytes().to_vec();
        encode(&Signed { view, signature })
    }

    /// Reads a gossiped view of this cluster. Whether its node is a member is not known here.
    ///
    /// # Errors
    /// [`Error::Frame`], or [`Error::SignatureWrong`] when it is not the named node's.
    pub fn open(cluster: ClusterId, bytes: &[u8]) -> Result<Self, Error> {
        let Signed { view: body, signature } = decode(bytes, VIEW_BYTES)?;
        let view: Self = decode(&body, VIEW_BYTES)?;
        let key = VerifyingKey::from_bytes(&view.node.0).map_err(|_| Error::SignatureWrong)?;
        let signature = Signature::from_slice(&signature).map_err(|_| Error::SignatureWrong)?;
        key.verify_strict(signed(cluster, &body).as_slice(), &signature).map_err(|_| Error::SignatureWrong)?;
        Ok(view)
    }
}

fn signed(cluster: ClusterId, view: &[u8]) -> Transcript {
    Transcript::new(LABEL).fixed(cluster.0.as_bytes()).bytes(view)
}
