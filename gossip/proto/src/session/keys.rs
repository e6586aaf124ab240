//! The keys of one direction: what they are derived from, and the two things that are done with them.

use super::header::{self, COMMITMENT, Parts};
use super::witness;
use crate::error::Error;
use crate::mac::hmac;
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, AeadInOut, KeyInit, Payload};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The length of what AES-GCM adds.
const TAG: usize = 16;

/// The keys of one direction. Both are wiped when they are dropped.
pub(super) struct Keys {
    /// Seals and opens.
    cipher: Aes256Gcm,
    /// Commits to the plaintext.
    commitment: Zeroizing<[u8; 32]>,
    /// What the witness of tests knows the first by.
    fingerprint: [u8; 8],
}

/// Which way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// From who began the session.
    FromInitiator,
    /// From who answered.
    FromResponder,
}

impl Direction {
    fn label(self) -> &'static [u8] {
        match self {
            Self::FromInitiator => b"symbi-session-v1 from initiator\0",
            Self::FromResponder => b"symbi-session-v1 from responder\0",
        }
    }
}

impl Keys {
    /// HKDF-SHA-256 of the X25519 secret, with the digest of the whole exchange as salt and the direction as purpose.
    pub(super) fn derive(secret: &[u8; 32], transcript: &[u8; 32], direction: Direction) -> Self {
        let mut out = Zeroizing::new([0; 64]);
        Hkdf::<Sha256>::new(Some(transcript), secret)
            .expand(direction.label(), out.as_mut())
            .expect("64 bytes are within HKDF's reach");
        let (cipher, rest) = out.split_at(32);
        let mut commitment = Zeroizing::new([0; 32]);
        commitment.copy_from_slice(rest);
        let fingerprint = witness::fingerprint(cipher);
        let cipher = Aes256Gcm::new_from_slice(cipher).expect("the key has 32 bytes");
        Self { cipher, commitment, fingerprint }
    }

    /// Seals `payload` under `sequence`, which must not have been used with these keys; the bytes, and how many of them
    /// stand before the ciphertext.
    pub(super) fn seal(&self, sequence: u64, envelope: &[u8], payload: &[u8]) -> (Vec<u8>, usize) {
        witness::sealed(self.fingerprint, sequence);
        let mut out = header::associated(envelope, &self.commit(envelope, payload), payload.len() + TAG);
        let associated = out.len();
        out.extend_from_slice(payload);
        let (aad, text) = out.split_at_mut(associated);
        let tag = self.cipher.encrypt_inout_detached(&nonce(sequence).into(), aad, text.into());
        out.extend_from_slice(&tag.expect("a payload is bounded"));
        (out, associated)
    }

    /// Opens what was sealed under `sequence`.
    pub(super) fn open(&self, sequence: u64, parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
        let payload = Payload { msg: parts.ciphertext, aad: parts.associated };
        let payload = self.cipher.decrypt(&nonce(sequence).into(), payload).map_err(|_| Error::SealBroken)?;
        let commitment = self.commit(parts.envelope, &payload);
        if !bool::from(commitment.as_slice().ct_eq(parts.commitment)) {
            return Err(Error::SealBroken);
        }
        Ok(payload)
    }

    /// Makes every commitment wrong.
    #[cfg(test)]
    pub(super) fn forget_commitment(&mut self) {
        self.commitment = Zeroizing::new([0; 32]);
    }

    fn commit(&self, envelope: &[u8], payload: &[u8]) -> [u8; COMMITMENT] {
        hmac(&self.commitment, &[&(envelope.len() as u64).to_be_bytes(), envelope, payload])
    }
}

/// 96 bits: four zero bytes and the counter.
fn nonce(sequence: u64) -> [u8; 12] {
    let mut out = [0; 12];
    out[4..].copy_from_slice(&sequence.to_be_bytes());
    out
}
