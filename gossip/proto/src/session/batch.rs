//! Batches: what was sent in one direction of a session, 1 to 64 messages at a time, under one signature of the sender's
//! incarnation; each batch names the one before it.
//!
//! Signed are these bytes. Integers are eight big-endian bytes; texts, ids, keys and hashes stand behind their length, as
//! eight such bytes:
//! ```text
//! "symbi-batch-v1\0" │ cluster, 16 │ name of the sender │ its Ed25519 public key, 32 │ session, 16
//! │ epoch │ batch, from 0 │ first sequence │ last sequence │ root, 32 │ previous, 32 │ policy set │ time, ms
//! ```
//! `root` is the RFC 6962 root over the messages' leaves ([`symbi_model::ledger::leaf`]), whose headers are the SHA-256 of
//! what stands before the ciphertext of a sealed message. `previous` is the hash of the batch before: SHA-256 over its signed
//! bytes and then its signature, 64 bytes; for batch 0 it is zeros. The sequences of a direction are covered without gap.
//!
//! *Caveats.* A signature says which node's incarnation sent what, and in which order; opening a message is the session's.

use super::Id;
use crate::error::Error;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::collections::BTreeMap;
use symbi_model::hash::{put_bytes, put_u64};
use symbi_model::ledger::{Attestation, BATCH};
use symbi_model::planted::{self, Defect};
use symbi_model::{ClusterId, Epoch, Hash, PolicyNumber, merkle};

/// What signed bytes begin with.
const LABEL: &[u8] = b"symbi-batch-v1\0";
/// The most messages that one batch holds.
pub const MESSAGES: usize = BATCH;
/// A receiver that holds so many messages without a signature takes no more in that session.
pub const UNATTESTED: usize = 128;
/// Neither does one that holds a message for so long without, ms.
pub const UNATTESTED_MS: u64 = 1_000;

/// Whose messages these are, and of which session: the same for every batch of a direction.
#[derive(Clone, Debug)]
pub struct Direction {
    /// The cluster.
    pub cluster: ClusterId,
    /// The name of the sender.
    pub sender: String,
    /// The session.
    pub session: Id,
}

/// What a sender says with its signature, beside the messages.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// Its placement epoch.
    pub epoch: Epoch,
    /// The policy set by which its node judged.
    pub policy_set: PolicyNumber,
    /// Its clock, ms since the Unix epoch.
    pub time_ms: u64,
}

/// The sending side: collects what was sealed, and signs it.
///
/// Invariants:
/// - at most [`MESSAGES`] are held;
/// - every sequence is in exactly one batch, and batches are numbered without gap.
#[derive(Debug)]
pub struct Attestor {
    /// Whose messages.
    direction: Direction,
    /// The leaves of messages in no batch yet.
    leaves: Vec<Hash>,
    /// The sequence of the first of them.
    first: u64,
    /// The number of the next batch.
    batch: u64,
    /// The hash of the batch before it.
    previous: Hash,
}

/// The receiving side: holds what was opened until a signature covers it.
///
/// Invariants:
/// - at most [`UNATTESTED`] are held;
/// - what was covered once is covered by no other batch.
#[derive(Debug)]
pub struct Verifier {
    /// Whose messages.
    direction: Direction,
    /// The leaves of messages in no batch yet, by sequence.
    leaves: BTreeMap<u64, Hash>,
    /// The first sequence that no batch covers.
    first: u64,
    /// The number of the next batch.
    batch: u64,
    /// The hash of the batch before it.
    previous: Hash,
}

/// A batch that fits what was opened and what came before it; good if its signature is.
#[derive(Debug)]
#[must_use = "its signature is yet to be checked"]
pub struct Claim {
    /// All that is signed.
    bytes: Vec<u8>,
    /// What the sender said.
    attestation: Attestation,
}

impl Attestor {
    /// One that has collected nothing.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self { direction, leaves: Vec::new(), first: 0, batch: 0, previous: Hash::default() }
    }

    /// Whether what it holds must be signed before more is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.leaves.len() >= MESSAGES
    }

    /// Adds the message of the next `sequence`.
    pub fn hold(&mut self, sequence: u64, leaf: Hash) {
        assert!(!self.is_full(), "a batch is signed before another message is added");
        assert_eq!(sequence, self.first + self.leaves.len() as u64, "sequences are without gap");
        self.leaves.push(leaf);
    }

    /// Goes on at `sequence`, as if all before it had been signed.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, sequence: u64) {
        (self.leaves, self.first) = (Vec::new(), sequence);
    }

    /// Signs what it holds; none if that is nothing.
    pub fn attest(&mut self, key: &SigningKey, said: &Said) -> Option<Attestation> {
        if self.leaves.is_empty() {
            return None;
        }
        let next = self.first + self.leaves.len() as u64;
        let mut attestation = Attestation {
            epoch: said.epoch,
            batch: self.batch,
            first: self.first,
            last: next - 1,
            root: merkle::root(&self.leaves),
            previous: self.previous,
            policy_set: said.policy_set,
            time_ms: said.time_ms,
            signature: Vec::new(),
        };
        let bytes = signed(&self.direction, &key.verifying_key(), &attestation);
        attestation.signature = key.sign(&bytes).to_bytes().to_vec();
        self.previous = hash(&bytes, &attestation.signature);
        self.batch += 1;
        self.first = next;
        self.leaves.clear();
        Some(attestation)
    }
}

impl Verifier {
    /// One that has held nothing.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self { direction, leaves: BTreeMap::new(), first: 0, batch: 0, previous: Hash::default() }
    }

    /// How many messages no batch has covered.
    #[must_use]
    pub fn held(&self) -> usize {
        self.leaves.len()
    }

    /// The first sequence that no batch covers.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Adds a message that was opened.
    pub fn hold(&mut self, sequence: u64, leaf: Hash) {
        assert!(self.leaves.len() < UNATTESTED, "what is held is bounded");
        assert!(self.leaves.insert(sequence, leaf).is_none(), "nothing is opened twice");
    }

    /// Takes a batch, if it is the next one and covers just what was opened: all that can be said without its signature,
    /// which is checked by [`Claim::verify`], at any time after.
    ///
    /// # Errors
    /// [`Error::BatchLink`], [`Error::BatchGap`], [`Error::BatchRoot`], [`Error::SignatureWrong`]. An error changes nothing,
    /// and the session should be closed.
    pub fn claim(&mut self, key: &VerifyingKey, epoch: Epoch, attestation: &Attestation) -> Result<Claim, Error> {
        let Attestation { batch, first, last, root, previous, .. } = attestation;
        if *batch != self.batch || *previous != self.previous && !planted::active(Defect::BatchLinkUnchecked) {
            return Err(Error::BatchLink { batch: *batch });
        }
        let count = last.checked_sub(*first).filter(|more| *more < MESSAGES as u64);
        let (true, Some(count)) = (*first == self.first, count) else {
            return Err(Error::BatchGap { batch: *batch });
        };
        let leaves: Vec<Hash> = self.leaves.range(first..=last).map(|(_, leaf)| *leaf).collect();
        if leaves.len() as u64 != count + 1 {
            return Err(Error::BatchGap { batch: *batch });
        }
        if merkle::root(&leaves) != *root {
            return Err(Error::BatchRoot { batch: *batch });
        }
        if attestation.epoch != epoch {
            return Err(Error::SignatureWrong);
        }
        self.leaves = self.leaves.split_off(&(last + 1));
        self.first = last + 1;
        self.batch += 1;
        let bytes = signed(&self.direction, key, attestation);
        self.previous = hash(&bytes, &attestation.signature);
        Ok(Claim { bytes, attestation: attestation.clone() })
    }
}

impl Claim {
    /// Checks the signature by the key that it was claimed with; the batch as its receiver may keep it.
    ///
    /// # Errors
    /// [`Error::SignatureWrong`].
    pub fn verify(self, key: &VerifyingKey) -> Result<Attestation, Error> {
        let signature = Signature::from_slice(&self.attestation.signature).map_err(|_| Error::SignatureWrong)?;
        let verified = key.verify_strict(&self.bytes, &signature);
        if verified.is_err() && !planted::active(Defect::SignatureUnchecked) {
            return Err(Error::SignatureWrong);
        }
        Ok(self.attestation)
    }

    /// What the sender said, not verified.
    #[must_use]
    pub fn attestation(&self) -> &Attestation {
        &self.attestation
    }
}

/// The bytes that are signed.
fn signed(direction: &Direction, key: &VerifyingKey, attestation: &Attestation) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + direction.sender.len());
    out.extend_from_slice(LABEL);
    put_bytes(&mut out, direction.cluster.0.as_bytes());
    put_bytes(&mut out, direction.sender.as_bytes());
    put_bytes(&mut out, key.as_bytes());
    put_bytes(&mut out, &direction.session.0);
    for number in [attestation.epoch.0, attestation.batch, attestation.first, attestation.last] {
        put_u64(&mut out, number);
    }
    put_bytes(&mut out, &attestation.root.0);
    put_bytes(&mut out, &attestation.previous.0);
    put_u64(&mut out, attestation.policy_set.0);
    put_u64(&mut out, attestation.time_ms);
    out
}

/// The hash by which the next batch names this one.
fn hash(signed: &[u8], signature: &[u8]) -> Hash {
    Hash::of(&[signed, signature])
}

#[cfg(test)]
mod tests;
