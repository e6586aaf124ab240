//! An anchor: a signed head of a ledger. Its root is over every entry that the ledger has ever had, so that each one vouches for all
//! that those before it did. `node/audit` implements these bytes a second time, because it is there to judge this.

use crate::hash::{Hash, put_u64};
use crate::ids::{ClusterId, NodeId};
use crate::merkle::{self, Frontier};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the signed bytes of an anchor begin with.
pub const DOMAIN: &[u8] = b"symbi-ledger-anchor-v1\0";

/// Where a ledger ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// How many entries it has had since it began.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Hash,
    /// The RFC 6962 root over the leaves of the hashes of all of them ([`leaf`]).
    pub root: Hash,
}

/// The leaf of an entry in its ledger's tree: SHA-256 over 0x00 and the entry's hash.
#[must_use]
pub fn leaf(hash: &Hash) -> Hash {
    merkle::leaf(&hash.0)
}

impl Tip {
    /// The end of a ledger that has this tree, and this hash as the last.
    #[must_use]
    pub fn of(tree: &Frontier, head: Hash) -> Self {
        Self { entries: tree.size(), head, root: tree.root() }
    }
}

/// What a node says of its ledger, all of which up to here it has synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Whose ledger it is, and whose signature.
    pub node: NodeId,
    /// The cluster's generation.
    pub generation: u16,
    /// How many entries it has had since it began.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Hash,
    /// The RFC 6962 root over the leaves of the hashes of all of them ([`leaf`]).
    pub root: Hash,
    /// Ed25519 over [`Anchor::signed_bytes`].
    pub signature: Signature,
}

impl Anchor {
    /// Signs where a ledger ends, as the node whose key this is. Only who has synced the ledger up to there may let others see this.
    #[must_use]
    pub fn sign(cluster: ClusterId, generation: u16, tip: &Tip, key: &SigningKey) -> Self {
        let node = NodeId(key.verifying_key().to_bytes());
        let Tip { entries, head, root } = *tip;
        let unsigned = Self { node, generation, entries, head, root, signature: Signature::default() };
        let signature = Signature::from(key.sign(&unsigned.signed_bytes(cluster)).to_bytes());
        Self { signature, ..unsigned }
    }

    /// The bytes that are signed: [`DOMAIN`]; the cluster's 16 bytes; the generation; the node's 32 bytes; the count of entries; head
    /// and root, 32 bytes each. Integers are eight big-endian bytes.
    #[must_use]
    pub fn signed_bytes(&self, cluster: ClusterId) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend_from_slice(DOMAIN);
        out.extend_from_slice(cluster.0.as_bytes());
        put_u64(&mut out, u64::from(self.generation));
        out.extend_from_slice(&self.node.0);
        put_u64(&mut out, self.entries);
        out.extend_from_slice(&self.head.0);
        out.extend_from_slice(&self.root.0);
        out
    }

    /// Whether its node has signed it, of its ledger in this cluster.
    #[must_use]
    pub fn is_signed(&self, cluster: ClusterId) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.node.0) else { return false };
        key.verify_strict(&self.signed_bytes(cluster), &self.signature.into()).is_ok()
    }
}

/// As records say it: node, generation, entries, head, root and signature, with colons between them; ids, hashes and signatures in
/// hex, numbers in decimal.
impl fmt::Display for Anchor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, generation, entries, head, root, signature } = self;
        write!(formatter, "{node}:{generation}:{entries}:{head}:{root}:{signature}")
    }
}

/// An Ed25519 signature, shown as 128 hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Its first half.
    r: [u8; 32],
    /// Its second half.
    s: [u8; 32],
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        let mut signature = Self::default();
        signature.r.copy_from_slice(&bytes[..32]);
        signature.s.copy_from_slice(&bytes[32..]);
        signature
    }
}

impl From<Signature> for ed25519_dalek::Signature {
    fn from(signature: Signature) -> Self {
        Self::from_components(signature.r, signature.s)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", hex::encode(self.r), hex::encode(self.s))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.r[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::{Anchor, Signature, Tip, leaf};
    use crate::hash::Hash;
    use crate::ids::{ClusterId, NodeId};
    use crate::merkle::{self, Frontier};
    use ed25519_dalek::SigningKey;
    use uuid::Uuid;

    const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(7));

    #[test]
    fn every_field_and_the_cluster_are_signed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let tip = Tip { entries: 9, head: Hash([1; 32]), root: Hash([2; 32]) };
        let anchor = Anchor::sign(CLUSTER, 4, &tip, &key);
        assert!(anchor.is_signed(CLUSTER));
        assert!(!anchor.is_signed(ClusterId(Uuid::from_u128(8))));
        let others = [
            Anchor { node: NodeId(SigningKey::from_bytes(&[5; 32]).verifying_key().to_bytes()), ..anchor },
            Anchor { generation: 5, ..anchor },
            Anchor { entries: 8, ..anchor },
            Anchor { head: Hash([2; 32]), ..anchor },
            Anchor { root: Hash([1; 32]), ..anchor },
            Anchor { signature: Signature::default(), ..anchor },
        ];
        for other in others {
            assert!(!other.is_signed(CLUSTER), "{other:?}");
        }
    }

    #[test]
    fn the_root_is_over_every_entry_since_the_ledger_began() {
        let hashes: Vec<_> = (0..5_u8).map(|number| Hash([number; 32])).collect();
        let mut tree = Frontier::default();
        hashes.iter().for_each(|hash| tree.append(leaf(hash)));
        let leaves: Vec<_> = hashes.iter().map(|hash| merkle::leaf(&hash.0)).collect();
        let tip = Tip { entries: 5, head: hashes[4], root: merkle::root(&leaves) };
        assert_eq!(Tip::of(&tree, hashes[4]), tip);
    }
}
