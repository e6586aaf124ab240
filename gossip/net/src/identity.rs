//! A node's key, and the conversions between our node ids and libp2p's peer ids.

use ed25519_dalek::Signer as _;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use symbi_model::NodeId;

/// The Ed25519 key that is a node: its libp2p identity, its Raft id and its signature are all of it.
#[derive(Clone)]
pub struct Identity {
    /// The key as libp2p wants it.
    keypair: Keypair,
    /// The same key for our own signatures.
    signing: SigningKey,
}

impl Identity {
    /// The identity that this 32-byte secret seed makes.
    ///
    /// # Panics
    /// Never: every 32 bytes are an Ed25519 seed.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let keypair = Keypair::ed25519_from_bytes(seed).expect("32 bytes are an Ed25519 seed");
        Self { keypair, signing: SigningKey::from_bytes(&seed) }
    }

    /// The node this key is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId(self.signing.verifying_key().to_bytes())
    }

    /// Signs `bytes`.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.signing.sign(bytes).to_bytes()
    }

    /// The key as libp2p wants it.
    pub(crate) fn keypair(&self) -> &Keypair {
        &self.keypair
    }
}

/// Whether `signature` is `node`'s of `bytes`.
pub(crate) fn verify(node: &NodeId, bytes: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(&node.0)
        .is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
}

/// The peer a node is, or none if the id is not a point of the curve.
pub(crate) fn peer_of(node: &NodeId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&node.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// The node a peer is, or none if its key is not an Ed25519 key.
pub(crate) fn node_of(peer: &PeerId) -> Option<NodeId> {
    let key = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(NodeId(key.try_into_ed25519().ok()?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_id_and_a_peer_id_are_the_same_key() {
        let identity = Identity::from_seed([7; 32]);
        let peer = identity.keypair().public().to_peer_id();
        assert_eq!(peer_of(&identity.node()), Some(peer));
        assert_eq!(node_of(&peer), Some(identity.node()));
    }

    #[test]
    fn a_peer_without_an_ed25519_key_is_no_node() {
        assert_eq!(
            node_of(&PeerId::from_multihash(libp2p::multihash::Multihash::wrap(0x12, &[1; 32]).unwrap()).unwrap()),
            None
        );
    }

    #[test]
    fn a_signature_is_of_one_node_and_one_text() {
        let identity = Identity::from_seed([7; 32]);
        let signature = identity.sign(b"a");
        assert!(verify(&identity.node(), b"a", &signature));
        assert!(!verify(&identity.node(), b"b", &signature));
        assert!(!verify(&Identity::from_seed([8; 32]).node(), b"a", &signature));
    }
}
