//! SHA-256.

use crate::hex::Hex;
use sha2::{Digest, Sha256};

/// The hash of `parts`, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hex<32> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    Hex(digest.finalize().into())
}
