//! A witness of sealing, for tests: told which key seals which sequence, so that an oracle can see that no pair comes twice.
//!
//! Told only where defects can be planted ([`planted::COMPILED`]), which is the debug profile. The one global of this crate:
//! it must hear of sessions that know nothing of tests.

use std::sync::{PoisonError, RwLock};
use symbi_model::Hash;
use symbi_model::planted;

/// Told of each seal: a fingerprint of the key, and the sequence that became its nonce.
pub type Witness = Box<dyn Fn([u8; 8], u64) + Send + Sync>;

static WITNESS: RwLock<Option<Witness>> = RwLock::new(None);

/// Lets `witness` see every seal of this process, in place of the one before. Without effect outside of debug builds.
pub fn install(witness: Option<Witness>) {
    *WITNESS.write().unwrap_or_else(PoisonError::into_inner) = witness;
}

/// What stands for a key in front of the witness; zeros where there can be none.
pub(super) fn fingerprint(key: &[u8]) -> [u8; 8] {
    if !planted::COMPILED {
        return [0; 8];
    }
    let digest = Hash::of(&[b"symbi-witness-v1\0", key]);
    *digest.0.first_chunk().expect("a digest has more than eight bytes")
}

/// A message is sealed.
pub(super) fn sealed(fingerprint: [u8; 8], sequence: u64) {
    if !planted::COMPILED {
        return;
    }
    if let Some(witness) = &*WITNESS.read().unwrap_or_else(PoisonError::into_inner) {
        witness(fingerprint, sequence);
    }
}
