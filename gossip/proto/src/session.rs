//! A session: what two incarnations of agents tell each other, sealed end to end under keys of their own.
//!
//! [`Initiator::start`] and [`respond`] exchange ephemeral X25519 keys, each signed by the incarnation's own key (the `cnf`
//! of its credential), and give a [`Session`] on both sides: one AES-256-GCM key a direction, nonces by counter, the header
//! as associated data, and in it an HMAC that commits to the plaintext, because GCM does not commit to its key. What is sent
//! is signed in batches ([`batch`]): a message that opens is *authenticated*, one whose batch verifies is *attested*.
//!
//! *Caveats.* Whether a credential is good is judged before, by `node/policy`. A session says that the node that hosts an
//! agent under an epoch sent these bytes, not that a model meant them. No clock: whoever has one asks
//! [`Session::due_for_rekey`].

pub mod batch;
pub mod extensions;
mod handshake;
mod header;
mod keys;
#[cfg(test)]
mod tests;
mod window;
pub mod witness;

pub use batch::{Claim, Said};
pub use extensions::{Extensions, Key};
pub use handshake::{Hello, HelloReply, Initiator, Party, respond};
pub use header::{Header, Kind};

use crate::error::Error;
use batch::{Attestor, Verifier};
use ed25519_dalek::{SigningKey, VerifyingKey};
use header::Envelope;
use keys::Keys;
use serde::{Deserialize, Serialize};
use std::fmt;
use symbi_model::ledger::{Attestation, leaf};
use symbi_model::{ClusterId, Epoch, Hash};
use window::Window;

/// The longest payload.
pub const PAYLOAD_BYTES: usize = 1024 * 1024;
/// After so many messages in a direction a session is due for another.
pub const MESSAGES: u64 = 1 << 20;
/// After so many bytes of payload in a direction a session is due for another.
pub const BYTES: u64 = 1 << 30;
/// At this age a session is due for another, ms.
pub const AGE_MS: u64 = 10 * 60 * 1000;

/// A session's id, chosen at random by who begins it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub [u8; 16]);

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.0[..4]))
    }
}

/// A session that stands.
///
/// Invariants:
/// - no sequence is sealed twice under one key: the counter only rises, and is never stored;
/// - no sequence is opened twice;
/// - no more than [`batch::MESSAGES`] are sealed, and no more than [`batch::UNATTESTED`] opened, without a signature over them;
/// - neither direction carries more than twice [`MESSAGES`] or [`BYTES`]: what is under way when a session becomes due is
///   still answered in it.
pub struct Session {
    /// The cluster of both.
    cluster: ClusterId,
    /// Its id.
    id: Id,
    /// The name of this side's agent.
    name: String,
    /// The name of the other side's agent.
    peer_name: String,
    /// What this side sends.
    sending: Sending,
    /// What this side receives.
    receiving: Receiving,
    /// When it began, by the clock of whoever asks.
    born_ms: u64,
}

/// The direction away from here.
struct Sending {
    /// Its keys.
    keys: Keys,
    /// The next sequence.
    next: u64,
    /// Bytes of payload sealed.
    bytes: u64,
    /// What is yet to be signed.
    attestor: Attestor,
}

/// The direction towards here.
struct Receiving {
    /// Its keys.
    keys: Keys,
    /// What was opened.
    window: Window,
    /// Bytes of payload opened.
    bytes: u64,
    /// What is yet to be attested.
    verifier: Verifier,
}

/// A message as it goes out.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Which of its direction it is, from 0.
    pub sequence: u64,
    /// SHA-256 over everything before the ciphertext.
    pub header: Hash,
    /// What the other side opens.
    pub bytes: Vec<u8>,
}

/// A message as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Which of its direction it is, from 0.
    pub sequence: u64,
    /// What it says of itself.
    pub header: Header,
    /// SHA-256 over everything before the ciphertext.
    pub digest: Hash,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Session {
    fn new(party: &handshake::Names, id: Id, born_ms: u64, sending: Keys, receiving: Keys) -> Self {
        let direction =
            |sender: &String| batch::Direction { cluster: party.cluster, sender: sender.clone(), session: id };
        let attestor = Attestor::new(direction(&party.name));
        let verifier = Verifier::new(direction(&party.peer_name));
        Self {
            cluster: party.cluster,
            id,
            name: party.name.clone(),
            peer_name: party.peer_name.clone(),
            sending: Sending { keys: sending, next: 0, bytes: 0, attestor },
            receiving: Receiving { keys: receiving, window: Window::default(), bytes: 0, verifier },
            born_ms,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name of the other side's agent, as its credential proved it.
    #[must_use]
    pub fn peer_name(&self) -> &str {
        &self.peer_name
    }

    /// Seals one message to the other side; [`Self::attest`] signs it.
    ///
    /// # Errors
    /// [`Error::ForeignParty`] when the header names others than this session's two, in this order; [`Error::TooLong`];
    /// [`Error::SessionSpent`]; [`Error::Unattested`] when what was sealed must be signed first.
    pub fn seal(&mut self, header: &Header, payload: &[u8]) -> Result<Sealed, Error> {
        if self.sending.attestor.is_full() {
            return Err(Error::Unattested { held: batch::MESSAGES });
        }
        if header.sender != self.name || header.receiver != self.peer_name {
            return Err(Error::ForeignParty);
        }
        if payload.len() > PAYLOAD_BYTES {
            return Err(Error::TooLong { what: "a payload", bytes: payload.len(), max: PAYLOAD_BYTES });
        }
        let bytes = self.sending.bytes + payload.len() as u64;
        if self.sending.next >= 2 * MESSAGES || bytes > 2 * BYTES {
            return Err(Error::SessionSpent);
        }
        let sequence = self.sending.next;
        let envelope = Envelope { cluster: self.cluster, session: self.id, sequence, header }.encode()?;
        self.sending.next += 1;
        self.sending.bytes = bytes;
        let (bytes, associated) = self.sending.keys.seal(sequence, &envelope, payload);
        let digest = Hash::of(&[&bytes[..associated]]);
        self.sending.attestor.hold(sequence, leaf(sequence, header.kind, header.message, &digest));
        Ok(Sealed { sequence, header: digest, bytes })
    }

    /// Signs what was sealed since the last time; none if that is nothing.
    pub fn attest(&mut self, key: &SigningKey, said: &Said) -> Option<Attestation> {
        self.sending.attestor.attest(key, said)
    }

    /// Opens one message from the other side. Messages may come out of order, within the last [`window::LENGTH`].
    ///
    /// # Errors
    /// Whatever keeps it from being a message of this session, of that direction, unchanged, for the first time;
    /// [`Error::Unattested`] when the other side has to sign what it has sent before. An error changes nothing.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Opened, Error> {
        let held = self.receiving.verifier.held();
        if held >= batch::UNATTESTED {
            return Err(Error::Unattested { held });
        }
        let parts = header::split(sealed)?;
        let Envelope { cluster, session, sequence, header } = Envelope::decode(parts.envelope)?;
        if cluster != self.cluster || session != self.id {
            return Err(Error::ForeignSession);
        }
        if header.sender != self.peer_name || header.receiver != self.name {
            return Err(Error::ForeignParty);
        }
        if sequence >= 2 * MESSAGES {
            return Err(Error::SessionSpent);
        }
        if !self.receiving.window.is_fresh(sequence) {
            return Err(Error::Replayed { sequence });
        }
        let payload = self.receiving.keys.open(sequence, &parts)?;
        let bytes = self.receiving.bytes + payload.len() as u64;
        if payload.len() > PAYLOAD_BYTES || bytes > 2 * BYTES {
            return Err(Error::SessionSpent);
        }
        let digest = Hash::of(&[parts.associated]);
        self.receiving.window.mark(sequence);
        self.receiving.bytes = bytes;
        self.receiving.verifier.hold(sequence, leaf(sequence, header.kind, header.message, &digest));
        Ok(Opened { sequence, header, digest, payload })
    }

    /// Takes the other side's signature over what was opened; its `key` and `epoch` are those of its credential. See
    /// [`Verifier::claim`].
    ///
    /// # Errors
    /// Those of [`Verifier::claim`].
    pub fn claim(&mut self, key: &VerifyingKey, epoch: Epoch, attestation: &Attestation) -> Result<Claim, Error> {
        self.receiving.verifier.claim(key, epoch, attestation)
    }

    /// The first sequence that was opened or may come, and is not attested; and how many that were opened are not.
    #[must_use]
    pub fn unattested(&self) -> (u64, usize) {
        (self.receiving.verifier.first(), self.receiving.verifier.held())
    }

    /// Whether another session should take its place for what is sent from now on; `now_ms` by the clock that
    /// [`Party::now_ms`] was read from.
    #[must_use]
    pub fn due_for_rekey(&self, now_ms: u64) -> bool {
        let messages = self.sending.next.max(self.receiving.window.next());
        let bytes = self.sending.bytes.max(self.receiving.bytes);
        messages >= MESSAGES || bytes >= BYTES || now_ms.saturating_sub(self.born_ms) >= AGE_MS
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({:?} of {} with {})", self.id, self.name, self.peer_name)
    }
}
