//! Two agents' session, both sides in one hand.

use ed25519_dalek::SigningKey;
use symbi_model::{Epoch, Incarnation};
use symbi_proto::session::{Extensions, Header, Id, Initiator, Kind, Party, Session, respond};

/// The two sides of a session.
#[derive(Debug)]
pub struct Conversation {
    /// The side that began, and seals.
    pub sender: Session,
    /// The side that opens.
    pub receiver: Session,
}

impl Conversation {
    /// A session between the first two agents, just set up.
    #[must_use]
    pub fn begin() -> Self {
        let (initiator, hello) = Initiator::start(party(0, 1), [10; 32], [11; 32], Id([12; 16]));
        let (receiver, reply) = respond(party(1, 0), &hello, &cnf(0), [20; 32], [21; 32]).expect("a good hello");
        Self { sender: initiator.finish(&reply, &cnf(1)).expect("a good reply"), receiver }
    }
}

/// The key with which the sender signs batches, by its credential.
#[must_use]
pub fn sender_key() -> SigningKey {
    incarnation_key(0)
}

/// The header of an ask from the sender to the receiver.
#[must_use]
pub fn header() -> Header {
    Header {
        kind: Kind::Ask,
        message: crate::uuid(1),
        in_reply_to: None,
        sender: name(0),
        receiver: name(1),
        sender_epoch: Epoch(1),
        sender_incarnation: Incarnation(1 << 32),
        receiver_epoch: Epoch(2),
        deadline_ms: crate::NOW_MS,
        trace: [0; 16],
        extensions: Extensions::default(),
    }
}

fn name(number: u64) -> String {
    crate::agent(number).to_string()
}

fn incarnation_key(number: u64) -> SigningKey {
    SigningKey::from_bytes(&[100 + u8::try_from(number).expect("a small number"); 32])
}

fn cnf(number: u64) -> [u8; 32] {
    incarnation_key(number).verifying_key().to_bytes()
}

fn party(number: u64, peer: u64) -> Party {
    Party {
        cluster: crate::cluster(),
        node: crate::node(number),
        peer: crate::node(peer),
        name: name(number),
        peer_name: name(peer),
        signing_key: incarnation_key(number),
        credential: "a credential, which is judged elsewhere".to_owned(),
        now_ms: 0,
    }
}
