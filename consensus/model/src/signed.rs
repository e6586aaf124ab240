//! What the origin of a batch signs, whether the batch is at hand or only the line that the chain keeps of it.

use crate::hash::{Hash, put_u64};
use crate::ids::{ClusterId, GroupId, NodeId};
use ed25519_dalek::{Signature, VerifyingKey};

/// What the signed bytes of a batch begin with.
pub const DOMAIN: &[u8] = b"symbi-entry-v2\0";

/// What a batch's signature covers beside the group that it is for and how many commands it has.
pub(crate) struct Signed<'a> {
    /// Who signs.
    pub(crate) origin: &'a NodeId,
    /// Its clock then, ms since the Unix epoch.
    pub(crate) time_ms: u64,
    /// The term in which a leader's batch was decided; 0 for any other.
    pub(crate) decided_term: u64,
    /// The version of the acts.
    pub(crate) acts: u16,
    /// The root over their leaves.
    pub(crate) root: &'a Hash,
}

impl Signed<'_> {
    /// The bytes that are signed: see [`crate::entry::Batch::signed_bytes`].
    pub(crate) fn bytes(&self, cluster: ClusterId, group: GroupId, count: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(DOMAIN);
        out.extend_from_slice(cluster.0.as_bytes());
        put_u64(&mut out, group.0);
        out.extend_from_slice(&self.origin.0);
        put_u64(&mut out, self.time_ms);
        put_u64(&mut out, self.decided_term);
        put_u64(&mut out, count);
        put_u64(&mut out, u64::from(self.acts));
        out.extend_from_slice(&self.root.0);
        out
    }
}

/// Whether `signature` is a node's over `bytes`.
pub(crate) fn is_signed(origin: &NodeId, bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&origin.0) else { return false };
    let Ok(signature) = Signature::from_slice(signature) else { return false };
    key.verify_strict(bytes, &signature).is_ok()
}
