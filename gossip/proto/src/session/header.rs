//! A message's header, and how a sealed message is laid out.
//!
//! ```text
//! length of the envelope, u16 big-endian │ envelope │ commitment, 32 │ ciphertext │ tag, 16
//! └──────────────────── associated data ────────────────────────────┘
//! ```

use super::Id;
use super::extensions::Extensions;
use crate::error::Error;
use serde::{Deserialize, Serialize};
pub use symbi_model::ledger::Kind;
use symbi_model::{ClusterId, Epoch, Incarnation, MessageId, codec};

/// The longest envelope.
const ENVELOPE_BYTES: usize = 4096;
/// The length of a commitment.
pub(super) const COMMITMENT: usize = 32;

/// What a message says of itself: readable on the way, protected from change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub message: MessageId,
    /// The ask that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The agent (or gateway) that sends it.
    pub sender: String,
    /// The agent (or gateway) that it is for.
    pub receiver: String,
    /// The sender's placement epoch.
    pub sender_epoch: Epoch,
    /// The sender's incarnation.
    pub sender_incarnation: Incarnation,
    /// The receiver's placement epoch, as the sender knows it.
    pub receiver_epoch: Epoch,
    /// When it is too late, ms since the Unix epoch.
    pub deadline_ms: u64,
    /// What connects messages of one cause; all zeros when nobody traces.
    pub trace: [u8; 16],
    /// What nodes say of it beyond that.
    pub extensions: Extensions,
}

/// A header (or a reference to one) in its session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope<H> {
    /// The cluster.
    pub(super) cluster: ClusterId,
    /// The session.
    pub(super) session: Id,
    /// Which message of its direction this is, from 0; its nonce.
    pub(super) sequence: u64,
    /// The header.
    pub(super) header: H,
}

/// The pieces of a sealed message.
pub(super) struct Parts<'a> {
    /// The encoded envelope.
    pub(super) envelope: &'a [u8],
    /// The commitment to it and to the plaintext.
    pub(super) commitment: &'a [u8],
    /// Everything before the ciphertext.
    pub(super) associated: &'a [u8],
    /// The ciphertext and its tag.
    pub(super) ciphertext: &'a [u8],
}

impl<H: Serialize> Envelope<H> {
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let bytes = codec::encode(self);
        if bytes.len() > ENVELOPE_BYTES {
            return Err(Error::TooLong { what: "a header", bytes: bytes.len(), max: ENVELOPE_BYTES });
        }
        Ok(bytes)
    }
}

impl Envelope<Header> {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(codec::decode(bytes, ENVELOPE_BYTES)?)
    }
}

/// The associated data of a message: everything before its ciphertext; with room for `more` bytes.
pub(super) fn associated(envelope: &[u8], commitment: &[u8; COMMITMENT], more: usize) -> Vec<u8> {
    let length = u16::try_from(envelope.len()).expect("an envelope is bounded");
    let mut out = Vec::with_capacity(2 + envelope.len() + COMMITMENT + more);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(envelope);
    out.extend_from_slice(commitment);
    out
}

/// Takes a sealed message apart.
pub(super) fn split(sealed: &[u8]) -> Result<Parts<'_>, Error> {
    let (length, rest) = sealed.split_first_chunk::<2>().ok_or(Error::SealBroken)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (associated, ciphertext) = sealed.split_at_checked(2 + length + COMMITMENT).ok_or(Error::SealBroken)?;
    let (envelope, rest) = rest.split_at_checked(length).ok_or(Error::SealBroken)?;
    Ok(Parts { envelope, commitment: &rest[..COMMITMENT], associated, ciphertext })
}
