//! A session: what two incarnations of agents tell each other, sealed end to end under keys of their own.
//!
//! [`Initiator::start`] and [`respond`] exchange ephemeral X25519 keys, each signed by the incarnation's own key (the `cnf`
//! of its credential), and give a [`Session`] on both sides: one AES-256-GCM key a direction, nonces by counter, the header
//! as associated data, and in it an HMAC that commits to the plaintext, because GCM does not commit to its key.
//!
//! *Caveats.* Whether a credential is good is judged before, by `node/policy`. A session says that the node that hosts an
//! agent under an epoch sent these bytes, not that a model meant them. No clock: whoever has one asks
//! [`Session::due_for_rekey`].

mod handshake;
mod header;
mod keys;
#[cfg(test)]
mod tests;
mod window;

pub use handshake::{Hello, HelloReply, Initiator, Party, respond};
pub use header::{Header, Kind};

use crate::error::Error;
use header::Envelope;
use keys::Keys;
use serde::{Deserialize, Serialize};
use std::fmt;
use symbi_model::ClusterId;
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
}

/// The direction towards here.
struct Receiving {
    /// Its keys.
    keys: Keys,
    /// What was opened.
    window: Window,
    /// Bytes of payload opened.
    bytes: u64,
}

impl Session {
    fn new(party: &handshake::Names, id: Id, born_ms: u64, sending: Keys, receiving: Keys) -> Self {
        Self {
            cluster: party.cluster,
            id,
            name: party.name.clone(),
            peer_name: party.peer_name.clone(),
            sending: Sending { keys: sending, next: 0, bytes: 0 },
            receiving: Receiving { keys: receiving, window: Window::default(), bytes: 0 },
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

    /// Seals one message to the other side.
    ///
    /// # Errors
    /// [`Error::ForeignParty`] when the header names others than this session's two, in this order; [`Error::TooLong`];
    /// [`Error::SessionSpent`].
    pub fn seal(&mut self, header: &Header, payload: &[u8]) -> Result<Vec<u8>, Error> {
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
        self.sending.next += 1;
        self.sending.bytes = bytes;
        let envelope = Envelope { cluster: self.cluster, session: self.id, sequence, header: header.clone() };
        self.sending.keys.seal(sequence, &envelope.encode()?, payload)
    }

    /// Opens one message from the other side. Messages may come out of order, within the last [`window::LENGTH`].
    ///
    /// # Errors
    /// Whatever keeps it from being a message of this session, of that direction, unchanged, for the first time. An error
    /// changes nothing.
    pub fn open(&mut self, sealed: &[u8]) -> Result<(Header, Vec<u8>), Error> {
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
        self.receiving.window.mark(sequence);
        self.receiving.bytes = bytes;
        Ok((header, payload))
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
