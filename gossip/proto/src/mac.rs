//! Transcripts, and HMAC-SHA256 over them.
//!
//! A transcript is unambiguous: a label, then fields of fixed length as they are and others behind their length. Two
//! directions of one exchange have two labels, so that a proof cannot be sent back to who made it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use symbi_model::hash::{put_bytes, put_u64};

/// The bytes that both sides of an exchange make, each for itself.
pub(crate) struct Transcript(Vec<u8>);

impl Transcript {
    /// One that begins with `label`, which ends in a zero byte.
    pub(crate) fn new(label: &[u8]) -> Self {
        debug_assert_eq!(label.last(), Some(&0), "a label ends");
        Self(label.to_vec())
    }

    /// Adds a field whose length every implementation knows.
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a field behind its length.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        put_bytes(&mut self.0, bytes);
        self
    }

    /// Adds a number as eight big-endian bytes.
    pub(crate) fn number(mut self, value: u64) -> Self {
        put_u64(&mut self.0, value);
        self
    }

    /// The bytes so far.
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 over the bytes so far.
    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// HMAC-SHA256 over `parts`, one after the other.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
