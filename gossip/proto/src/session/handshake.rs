//! How a session is set up: one hello and one reply, each an ephemeral key under an incarnation's signature.
//!
//! The initiator signs what it says; the responder signs that too, and what it says itself; the keys depend on both
//! signatures. So the initiator's first sealed message proves that it saw the responder's part, and a repeated hello gives a
//! session whose keys nobody has. Each signature has its direction's label: neither can be sent back as the other.

use super::keys::{Direction, Keys};
use super::{Id, Session};
use crate::error::Error;
use crate::mac::Transcript;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use symbi_model::planted::{self, Defect};
use symbi_model::{ClusterId, NodeId};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

const INITIATOR_LABEL: &[u8] = b"symbi-session-v1 initiator\0";
const RESPONDER_LABEL: &[u8] = b"symbi-session-v1 responder\0";
/// The longest credential that is carried.
const CREDENTIAL_BYTES: usize = 16 * 1024;

/// One side of a session that is to be set up.
pub struct Party {
    /// The cluster of both.
    pub cluster: ClusterId,
    /// This side's node.
    pub node: NodeId,
    /// The other side's node: the one at the other end of the connection.
    pub peer: NodeId,
    /// This side's agent (or gateway).
    pub name: String,
    /// The other side's agent (or gateway).
    pub peer_name: String,
    /// This incarnation's key, whose public half is the credential's `cnf`.
    pub signing_key: SigningKey,
    /// This side's credential for the other side.
    pub credential: String,
    /// The time, by any clock of which [`Session::due_for_rekey`] is told too, ms.
    pub now_ms: u64,
}

/// The initiator's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The session it wants.
    pub session: Id,
    /// The agent that begins.
    pub sender: String,
    /// The agent that is wanted.
    pub receiver: String,
    /// Its X25519 public key for this session.
    pub ephemeral: [u8; 32],
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// Its credential, whose audience is the receiver.
    pub credential: String,
    /// Ed25519 by the credential's `cnf` key; 64 bytes.
    pub signature: Vec<u8>,
}

/// The responder's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// The session.
    pub session: Id,
    /// Its X25519 public key for this session.
    pub ephemeral: [u8; 32],
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// Its credential, whose audience is the sender.
    pub credential: String,
    /// Ed25519 by the credential's `cnf` key; 64 bytes.
    pub signature: Vec<u8>,
}

/// What both signatures and the session hold on to of a party.
#[derive(Clone)]
pub(super) struct Names {
    /// The cluster of both.
    pub(super) cluster: ClusterId,
    /// This side's agent.
    pub(super) name: String,
    /// The other side's agent.
    pub(super) peer_name: String,
}

/// A side that has said hello.
pub struct Initiator {
    /// Who it is.
    names: Names,
    /// The session it wants.
    session: Id,
    /// Its X25519 secret for this session.
    secret: Zeroizing<[u8; 32]>,
    /// The digest of its hello, signature included.
    hello: [u8; 32],
    /// When it began.
    now_ms: u64,
}

impl Initiator {
    /// Begins `session`; the session's id, `ephemeral` and `nonce` are fresh random bytes.
    #[must_use]
    pub fn start(local: Party, ephemeral: [u8; 32], nonce: [u8; 32], session: Id) -> (Self, Hello) {
        let secret = Zeroizing::new(ephemeral);
        let names = local.names();
        let mut hello = Hello {
            session,
            sender: local.name,
            receiver: local.peer_name,
            ephemeral: x25519(*secret, X25519_BASEPOINT_BYTES),
            nonce,
            credential: local.credential,
            signature: Vec::new(),
        };
        let said = hello.transcript(local.cluster, local.node, local.peer);
        hello.signature = local.signing_key.sign(said.as_slice()).to_bytes().to_vec();
        let digest = said.bytes(&hello.signature).digest();
        (Self { names, session, secret, hello: digest, now_ms: local.now_ms }, hello)
    }

    /// Ends the exchange, when the reply's credential was found good and `peer_cnf` is the key in it.
    ///
    /// # Errors
    /// [`Error::ForeignExchange`], [`Error::SignatureWrong`], [`Error::KeyWeak`], [`Error::TooLong`].
    pub fn finish(self, reply: &HelloReply, peer_cnf: &[u8; 32]) -> Result<Session, Error> {
        if reply.session != self.session {
            return Err(Error::ForeignExchange);
        }
        check_credential(&reply.credential)?;
        let said = reply.transcript(&self.hello);
        verify(peer_cnf, &said, &reply.signature)?;
        let secret = shared(&self.secret, &reply.ephemeral)?;
        let transcript = said.bytes(&reply.signature).digest();
        let (secret, transcript) = planted(secret, transcript, &self.names.name, &self.names.peer_name);
        let sending = Keys::derive(&secret, &transcript, Direction::FromInitiator);
        let receiving = Keys::derive(&secret, &transcript, Direction::FromResponder);
        Ok(Session::new(&self.names, self.session, self.now_ms, sending, receiving))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Initiator({:?})", self.session)
    }
}

/// Answers `hello`, when its credential was found good and `peer_cnf` is the key in it; `ephemeral` and `nonce` are fresh
/// random bytes.
///
/// # Errors
/// [`Error::ForeignParty`], [`Error::SignatureWrong`], [`Error::KeyWeak`], [`Error::TooLong`].
pub fn respond(
    local: Party,
    hello: &Hello,
    peer_cnf: &[u8; 32],
    ephemeral: [u8; 32],
    nonce: [u8; 32],
) -> Result<(Session, HelloReply), Error> {
    let own = Zeroizing::new(ephemeral);
    if hello.sender != local.peer_name || hello.receiver != local.name {
        return Err(Error::ForeignParty);
    }
    check_credential(&hello.credential)?;
    let heard = hello.transcript(local.cluster, local.peer, local.node);
    verify(peer_cnf, &heard, &hello.signature)?;
    let secret = shared(&own, &hello.ephemeral)?;
    let names = local.names();
    let mut reply = HelloReply {
        session: hello.session,
        ephemeral: x25519(*own, X25519_BASEPOINT_BYTES),
        nonce,
        credential: local.credential,
        signature: Vec::new(),
    };
    let said = reply.transcript(&heard.bytes(&hello.signature).digest());
    reply.signature = local.signing_key.sign(said.as_slice()).to_bytes().to_vec();
    let transcript = said.bytes(&reply.signature).digest();
    let (secret, transcript) = planted(secret, transcript, &names.peer_name, &names.name);
    let sending = Keys::derive(&secret, &transcript, Direction::FromResponder);
    let receiving = Keys::derive(&secret, &transcript, Direction::FromInitiator);
    Ok((Session::new(&names, hello.session, local.now_ms, sending, receiving), reply))
}

impl Party {
    fn names(&self) -> Names {
        Names { cluster: self.cluster, name: self.name.clone(), peer_name: self.peer_name.clone() }
    }
}

impl Hello {
    fn transcript(&self, cluster: ClusterId, initiator: NodeId, responder: NodeId) -> Transcript {
        Transcript::new(INITIATOR_LABEL)
            .fixed(cluster.0.as_bytes())
            .fixed(&self.session.0)
            .fixed(&initiator.0)
            .fixed(&responder.0)
            .bytes(self.sender.as_bytes())
            .bytes(self.receiver.as_bytes())
            .fixed(&self.ephemeral)
            .fixed(&self.nonce)
            .fixed(&Sha256::digest(&self.credential))
    }
}

impl HelloReply {
    fn transcript(&self, hello: &[u8; 32]) -> Transcript {
        Transcript::new(RESPONDER_LABEL)
            .fixed(hello)
            .fixed(&self.ephemeral)
            .fixed(&self.nonce)
            .fixed(&Sha256::digest(&self.credential))
    }
}

fn check_credential(credential: &str) -> Result<(), Error> {
    if credential.len() > CREDENTIAL_BYTES {
        return Err(Error::TooLong { what: "a credential", bytes: credential.len(), max: CREDENTIAL_BYTES });
    }
    Ok(())
}

fn verify(key: &[u8; 32], said: &Transcript, signature: &[u8]) -> Result<(), Error> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| Error::SignatureWrong)?;
    let signature = Signature::from_slice(signature).map_err(|_| Error::SignatureWrong)?;
    key.verify_strict(said.as_slice(), &signature).map_err(|_| Error::SignatureWrong)
}

/// What keys come from: as given, unless a defect is planted by which every session of two agents has the same.
fn planted(
    secret: Zeroizing<[u8; 32]>,
    transcript: [u8; 32],
    initiator: &str,
    responder: &str,
) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    if planted::active(Defect::RekeyKeepsKey) {
        let names = Transcript::new(INITIATOR_LABEL).bytes(initiator.as_bytes()).bytes(responder.as_bytes());
        return (Zeroizing::new([0; 32]), names.digest());
    }
    (secret, transcript)
}

/// The X25519 secret; all zeros (RFC 7748, section 6.1) means that the other key was one of the few that give no secret.
fn shared(secret: &[u8; 32], public: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let shared = Zeroizing::new(x25519(*secret, *public));
    if bool::from(shared.as_slice().ct_eq(&[0; 32])) {
        return Err(Error::KeyWeak);
    }
    Ok(shared)
}
